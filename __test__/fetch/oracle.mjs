// Runs the same program against two implementations and compares what can be seen.

/** What came of a program: its value, or the kind of its error. */
export async function outcome(program) {
  try {
    return { value: await program() };
  } catch (error) {
    return { error: error?.constructor?.name ?? typeof error };
  }
}

/** Everything a program can see of a message with a body, which it reads. */
export async function seen(message) {
  const { bodyUsed: before } = message;
  const hasBody = message.body !== null;
  const text = await outcome(() => message.text());
  return {
    headers: [...message.headers],
    before,
    hasBody,
    text,
    after: message.bodyUsed,
    again: await outcome(() => message.text()),
    ...('status' in message
      ? {
          status: message.status,
          ok: message.ok,
          statusText: message.statusText,
          type: message.type,
          url: message.url,
          redirected: message.redirected,
        }
      : { method: message.method, url: message.url }),
  };
}

/** A stream of these chunks. */
export function streamOf(...chunks) {
  return new ReadableStream({
    start(controller) {
      for (const chunk of chunks) {
        controller.enqueue(typeof chunk === 'string' ? new TextEncoder().encode(chunk) : chunk);
      }
      controller.close();
    },
  });
}
