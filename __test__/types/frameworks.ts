// Compiled, never run: applications of frameworks are what the public types take.

import { Elysia } from 'elysia';
import { H3 } from 'h3';
import { Hono } from 'hono';
import { AutoRouter } from 'itty-router';
import { serve } from 'reactor-rs';

export async function frameworks(): Promise<void> {
  const hono = new Hono();
  await serve(hono, { port: 0 });
  await serve({ fetch: hono.fetch, port: 0 }, (info) => void info.port);
  await serve(hono.fetch, 3000);
  const h3 = new H3();
  await serve(h3);
  await serve({ fetch: h3.fetch, port: 0 });
  const elysia = new Elysia();
  await serve(elysia, { port: 0 });
  await serve({ fetch: elysia.fetch });
  const itty = AutoRouter();
  await serve(itty, { port: 0 });
  await serve({ fetch: itty.fetch });
}
