// Bun.serve: `bun bun.mjs PORT HANDLER`.

const { default: app } = await import(`./${process.argv[3]}.mjs`);
const fetch = app.fetch.bind(app);
Bun.serve({ fetch, hostname: '127.0.0.1', port: Number(process.argv[2]) });
