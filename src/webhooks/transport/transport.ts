import type { Attempt } from './attempt.ts';

/** What is sent to a receiver. */
export interface Message {
  /** Besides Host, Content-Length and Connection. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** Sends messages to one receiver, over connections that are used again. */
export interface Transport {
  /**
   * @param target the URL of the webhook with an address as its host
   * @param host for the header Host
   * @returns the status of the response
   * @throws the system's error, whose `code` says what failed; the reason of the attempt's end
   */
  post(target: URL, host: string, message: Message, attempt: Attempt): Promise<number>;
  close(): void;
}
