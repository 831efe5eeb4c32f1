# The service with its interpreter image already made: a start maps it. `make docker-check` runs these steps without Docker.

FROM rust:1.95-slim-bookworm AS build
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/src/target \
    cargo build --release --locked && cp target/release/ai-code-executor /usr/local/bin/
# The program and the libraries that it is linked with are all that it needs: no shell, no package manager.
RUN mkdir /root-fs && cp --parents --dereference /usr/local/bin/ai-code-executor \
    $(ldd /usr/local/bin/ai-code-executor | grep -o '/[^ ]*') /root-fs
ENV CACHE_DIR=/srv/images
RUN ai-code-executor prepare
# A volume that is mounted here gets this directory's owner and mode.
RUN mkdir -m 700 /srv/store

FROM scratch
COPY --from=build /root-fs /
# Compiled code is mapped only by the user who owns it.
COPY --from=build --chown=65532:65532 /srv /srv
USER 65532:65532
# Every address of the container, so the service does not start without a token of your own. One thread: on a processor
# with other features than the builder's, each start makes its own image, which takes less memory with one thread.
ENV CACHE_DIR=/srv/images HOST=0.0.0.0 RAYON_NUM_THREADS=1
EXPOSE 8030
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s CMD ["/usr/local/bin/ai-code-executor", "health"]
ENTRYPOINT ["/usr/local/bin/ai-code-executor"]
CMD ["serve"]
