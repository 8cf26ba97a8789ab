# Build:  docker build -t clearmel .
# Run on a folder; the results belong to you and lie in the same folder:
#   docker run --rm --user "$(id -u):$(id -g)" -v "$PWD:/data" clearmel denoise recordings -o denoised
# It holds the core, without torch: docs/install.md.
# The pages answer only on their own localhost, so `clearmel studio` and `clearmel label` do not work from a container.
FROM python:3.11-slim

WORKDIR /build
COPY pyproject.toml README.md LICENSE ./
COPY src src
COPY models models
RUN pip install --no-cache-dir . && rm -rf /build

RUN useradd --create-home clearmel && mkdir /data && chown clearmel /data
USER clearmel
WORKDIR /data

ENTRYPOINT ["clearmel"]
CMD ["--help"]
