// Deno.serve: `deno run --allow-net --allow-read deno.mjs PORT HANDLER`.

const { default: app } = await import(`./${Deno.args[1]}.mjs`);
const fetch = app.fetch.bind(app);
Deno.serve({ hostname: '127.0.0.1', port: Number(Deno.args[0]), onListen() {} }, (r) => fetch(r));
