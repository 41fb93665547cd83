import cluster from 'node:cluster';

// What PM2 and primary processes of node:cluster tell their processes, and want to be told.

/** Whether PM2 runs this process. */
function isOfPm2(): boolean {
  return process.env.pm_id !== undefined;
}

/**
 * Calls a function when the process is to end by the message 'shutdown', as PM2 sends it with
 * `shutdown_with_message`. Returns a function that ends this.
 */
export function onShutdownMessage(listener: () => void): () => void {
  // To listen for messages keeps other children alive as long as their parent.
  if (!process.connected || !(cluster.isWorker || isOfPm2())) {
    return () => {};
  }
  const onMessage = (message: unknown) => {
    if (message === 'shutdown') {
      listener();
    }
  };
  process.on('message', onMessage);
  return () => process.off('message', onMessage);
}

/** Tells PM2 that the process serves. With `wait_ready` it waits for this. */
export function tellReady(): void {
  if (process.connected && isOfPm2()) {
    process.send?.('ready');
  }
}
