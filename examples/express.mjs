// An application of Express: `node examples/express.mjs`

import express from 'express';
import { createServer } from 'reactor-rs/node';

const app = express();
app.use(express.json());
app.get('/', (_req, res) => {
  res.send('Hello from Express!');
});
app.get('/users/:id', (req, res) => {
  res.json({ id: req.params.id });
});
app.post('/users', (req, res) => {
  res.status(201).json({ created: req.body });
});

// Node's own would be `createServer(app)` from 'node:http'.
const server = createServer(app).listen(Number(process.env.PORT ?? 3000), '127.0.0.1', () => {
  console.log(`listening on http://127.0.0.1:${server.address().port}/`);
});

process.once('SIGTERM', () => server.close());
