// The server's API (/openapi.json describes it): objects in, objects out, and an answer's events as they come.

const KEPT = "codeask-token"; // for this tab alone: it ends with it

export const token = () => sessionStorage.getItem(KEPT);
export const keepToken = (text) => (text ? sessionStorage.setItem(KEPT, text) : sessionStorage.removeItem(KEPT));

export class Failure extends Error {
  constructor({ code, message, hint }, status) {
    super(message);
    Object.assign(this, { code, hint, status });
  }
}

async function post(method, params, signal) {
  const headers = { "content-type": "application/json" };
  if (token()) headers.authorization = `Bearer ${token()}`;
  let reply;
  try {
    reply = await fetch(`/v1/${method}`, { method: "POST", headers, body: JSON.stringify(params), signal });
  } catch (e) {
    if (e.name === "AbortError") throw e;
    throw new Failure({ code: "unavailable", message: "the server cannot be reached", hint: "is codeask serve still running?" }, 0);
  }
  if (reply.ok) return reply;
  let error = { code: "internal", message: `the server said ${reply.status}` };
  try {
    error = (await reply.json()).error;
  } catch {} // not from codeask: a proxy between
  throw new Failure(error, reply.status);
}

export const call = async (method, params = {}, signal) => (await post(method, params, signal)).json();

// Resolves to the result. on(name, object): what comes before it, "progress" and "part".
export async function stream(method, params, on, signal) {
  const reply = await post(method, { ...params, stream: true }, signal);
  const reader = reply.body.pipeThrough(new TextDecoderStream()).getReader();
  for (let text = ""; ; ) {
    const { value, done } = await reader.read();
    if (done) throw new Failure({ code: "unavailable", message: "the server went away in the middle of the answer", hint: "ask again" }, 0);
    text += value;
    const parts = text.split("\n\n");
    text = parts.pop();
    for (const part of parts) {
      const name = /^event: (.*)$/m.exec(part)?.[1];
      const object = JSON.parse(/^data: (.*)$/m.exec(part)[1]);
      if (name === "done") return object;
      if (name === "error") throw new Failure(object, reply.status);
      on(name, object);
    }
  }
}
