/** The nonce that the server wrote into this response, for style elements made by libraries. */
export function nonce(): string {
  return document.querySelector<HTMLMetaElement>('meta[name="csp-nonce"]')?.content ?? "";
}
