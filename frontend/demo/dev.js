// What both pages of development know: where the stack answers, and the key of dev, in place of a site's sign-in.

/** @typedef {{ HTTP_URL: string, JWT_KEY: string, JWT_ISSUER: string, JWT_AUDIENCE: string }} Stack */

/** @returns {Promise<Stack>} */
export async function stack() {
  for (;;) {
    const answer = await fetch(new URL("stack.json", import.meta.url));
    if (answer.ok) return answer.json();
    // It is still starting.
    await new Promise((done) => setTimeout(done, 500));
  }
}

/** @param {Uint8Array} bytes */
const base64url = (bytes) =>
  btoa(String.fromCharCode(...bytes)).replace(/[+/=]/g, (sign) => ({ "+": "-", "/": "_" })[sign] ?? "");

/**
 * A token of that user.
 *
 * @param {Stack} stack
 * @param {string} user
 * @param {number} seconds until it expires
 */
export async function sign({ JWT_KEY, JWT_ISSUER, JWT_AUDIENCE }, user, seconds) {
  const now = Math.floor(Date.now() / 1000);
  const claims = { sub: user, iss: JWT_ISSUER, aud: JWT_AUDIENCE, iat: now, exp: now + seconds };
  const bytes = (/** @type {string} */ text) => new TextEncoder().encode(text);
  const part = (/** @type {object} */ value) => base64url(bytes(JSON.stringify(value)));
  const unsigned = `${part({ alg: "HS256", typ: "JWT", kid: "dev" })}.${part(claims)}`;
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  const key = await crypto.subtle.importKey("raw", bytes(JWT_KEY), algorithm, false, ["sign"]);
  return `${unsigned}.${base64url(new Uint8Array(await crypto.subtle.sign("HMAC", key, bytes(unsigned))))}`;
}
