/**
 * The two names of undici that downloads through a proxy use. undici's own types need a newer
 * @types/node than this project's oldest Node has.
 */
declare module 'undici' {
  export class EnvHttpProxyAgent {
    close(): Promise<void>;
  }
  export function fetch(
    url: string,
    options: Omit<RequestInit, 'dispatcher'> & { dispatcher: EnvHttpProxyAgent },
  ): Promise<Response>;
}
