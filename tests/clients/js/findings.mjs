// What a client's program finds out, step by step; the tests in Python read it as JSON.

const found = {};

/** Runs a step and keeps what it gives, or the error that it raised. */
export async function step(name, run) {
  try {
    found[name] = { value: (await run()) ?? null };
  } catch (error) {
    found[name] = {
      error: {
        class: error.constructor.name,
        message: error.message,
        status: error.status ?? error.statusCode ?? error.httpResponse?.status ?? null,
        code: error.code ?? null,
        param: error.param ?? null,
        requestId: error.requestID ?? error.requestId ?? error.httpResponse?.requestId ?? null,
        said: error.error ?? error.data ?? error.httpResponse?.body ?? null,
      },
    };
  }
}

export function tell() {
  console.log(JSON.stringify(found));
}
