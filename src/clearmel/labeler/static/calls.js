// Calls to the server. A refused one throws an error with `status` and the server's answer as `body`.

const token = document.querySelector("meta[name=clearmel-token]").content;

async function answer(response) {
  const body = await response.json().catch(() => ({}));
  if (response.ok) return body;
  throw Object.assign(new Error(body.error ?? `the server answers ${response.status}`), {
    status: response.status,
    body,
  });
}

export const get = async (path, parameters = {}) => answer(await fetch(`${path}?${new URLSearchParams(parameters)}`));

export const post = async (path, body, more = {}) =>
  answer(
    await fetch(path, {
      method: "POST",
      body: JSON.stringify(body),
      headers: { "Content-Type": "application/json", "X-Clearmel-Token": token },
      ...more,
    }),
  );
