// Calls to the server. A refused call throws an error with the `status` and the `body` of the response.

const token = document.querySelector("meta[name=clearmel-token]").content;

async function answer(response) {
  if (response.ok) return response.json(); // a body that breaks off, as of a server that ended, is an error, too
  const body = await response.json().catch(() => ({}));
  throw Object.assign(new Error(body.error ?? `the server responded with status ${response.status}`), {
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
