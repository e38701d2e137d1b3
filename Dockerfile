# One image for every role: `docker run IMAGE start --role worker`. Debian, never Alpine: Temporal's native core needs glibc.
ARG NODE_IMAGE=node:22-bookworm-slim

FROM ${NODE_IMAGE} AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --include=dev --include=optional
COPY tsconfig.json tsconfig.build.json ./
COPY scripts scripts
COPY src src
# Of what is optional only the embedded ClickHouse can go (566 MB; a server has a real one): the compilers' binaries are optional too.
RUN npm run build && npm prune --omit=dev && rm -rf node_modules/chdb node_modules/@chdb

FROM ${NODE_IMAGE}
# TLS to Temporal Cloud and to managed services needs the roots, which the slim image lacks.
RUN apt-get update \
  && apt-get install -y --no-install-recommends ca-certificates \
  && rm -rf /var/lib/apt/lists/*
ENV NODE_ENV=production
WORKDIR /app
COPY package.json LICENSE ./
COPY --from=build /app/node_modules node_modules
COPY --from=build /app/dist dist
COPY bin bin
COPY pipelines pipelines
COPY workflows workflows
COPY activities activities
# Saga workers start at once, and run what was built, as long as the sources are these.
RUN node bin/headrace.js bundle
USER node
ENTRYPOINT ["node", "bin/headrace.js"]
CMD ["start", "--role", "worker"]
