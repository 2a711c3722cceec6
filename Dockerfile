# docker build -t stream-server --build-arg VERSION=$(git describe --tags --always) .
# docker run -p 8080:8080 --ulimit nofile=1048576:1048576 stream-server --redis redis://redis:6379

FROM golang:1.26-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=
RUN CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.stamped=$VERSION" -o /out/stream-server .

# Nothing but the program and the certificates that https:// and rediss:// are trusted by.
FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /out/stream-server /stream-server
USER 65532:65532
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=4s --start-period=10s CMD ["/stream-server", "health"]
ENTRYPOINT ["/stream-server"]
