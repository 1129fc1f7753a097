# The images of docker-compose.yml: api and worker, which also serve in
# production, and what only development needs: dev and oidc. The image
# auditferry is the auditor's command: docker build --target auditferry .
FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -o /out/ ./api ./worker ./cmd/auditferry ./dev

FROM gcr.io/distroless/static-debian12:nonroot AS api
COPY --from=build /out/api /api
ENTRYPOINT ["/api"]

FROM gcr.io/distroless/static-debian12:nonroot AS worker
COPY --from=build /out/worker /worker
ENTRYPOINT ["/worker"]

FROM gcr.io/distroless/static-debian12:nonroot AS auditferry
COPY --from=build /out/auditferry /auditferry
ENTRYPOINT ["/auditferry"]

FROM gcr.io/distroless/static-debian12 AS dev
COPY --from=build /out/dev /dev-stack
ENTRYPOINT ["/dev-stack"]

FROM node:22-slim AS oidc
WORKDIR /oidc
COPY dev/tools/package.json dev/tools/package-lock.json ./
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY dev/oidc/server.mjs ./
ENTRYPOINT ["node", "server.mjs"]
