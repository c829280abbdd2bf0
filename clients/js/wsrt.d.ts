export type State = "closed" | "connecting" | "open";
export interface Message { type: string; correlationId?: string; [name: string]: unknown }
export interface Update { eventType: "INSERT" | "MODIFY" | "REMOVE"; timestamp: number; data: Record<string, unknown> }
export type Scalar = string | number | boolean | null;
export interface Range { gt?: number; gte?: number; lt?: number; lte?: number }
export type Filter = Record<string, Scalar[] | Range>;
export interface Issue { path: string; code: string; message: string; limits?: Record<string, unknown> }

export class WsrtError extends Error {
  code: string;
  type?: string;
  correlationId?: string;
  retryable?: boolean;
  retryAfter?: number;
  issues?: Issue[];
}

export interface ClientOptions {
  /** Sign in with it; a function is asked again when the server wants a new one. */
  token?: string | (() => string | Promise<string>);
  /** Node before 22: the one of the package ws. */
  WebSocket?: unknown;
  protocols?: string[];
  /** Where the server stands; "standalone" unless given. */
  profile?: "standalone" | "gateway";
  seed?: number;
  /** Messages kept while there is no connection; 100. */
  maxQueue?: number;
  /** Resume the session after a reconnection; true but for "gateway". */
  resume?: boolean;
  now?: () => number;
}

export class Client {
  constructor(url: string, options?: ClientOptions);
  readonly state: State;
  on(name: "state", listener: (state: State) => void): () => boolean;
  on(name: "message", listener: (message: Message) => void): () => boolean;
  on(name: "error", listener: (error: WsrtError) => void): () => boolean;
  on(name: "gap", listener: (reason: "expired" | "gap" | "unknown" | "lost") => void): () => boolean;
  open(): this;
  close(): void;
  send(message: Message): string;
  request(message: Message, options?: { timeout?: number }): Promise<Message>;
  subscribe(filter: Filter, onUpdate: (update: Update) => void, options?: { snapshot?: boolean }): () => void;
}

export function matches(filter: Filter, update: Update): boolean;
