// A typed event bus.
import type { Handler } from "./handler";
import { Queue } from "../queue";
export * from "./types";
export { Queue as BusQueue } from "../queue";

export type EventMap = Record<string, unknown>;
type Key<T extends EventMap> = string & keyof T;

/** Options of a bus. */
export interface BusOptions<T> extends Base<T> {
  readonly name: string;
  limit?: number;
  onDrop?(event: T): void;
  (event: T): void;
}

export enum Level {
  Debug = "debug",
  Error,
}

declare module "bus" {
  interface Registry {
    bus: Bus<any>;
  }
}

declare function globalBus(name: string): Bus<any>;

export function create(name: string): Bus<any>;
export function create(name: string, options: BusOptions<any>): Bus<any>;
export function create(name: string, options?: BusOptions<any>) {
  return new Bus(name, options);
}

/**
 * The bus itself.
 */
@Injectable()
export abstract class Bus<T extends EventMap> extends Emitter<T> implements Closable, Named<T> {
  private static instances = 0;
  protected handlers: Map<string, Handler[]> = new Map();
  readonly send = (event: T): void => this.queue.push(event);

  constructor(public readonly name: string, private queue: Queue<T>) {
    super();
  }

  abstract close(): Promise<void>;

  // Subscribes to one kind.
  @log
  on<K extends Key<T>>(key: K, handler: (value: T[K]) => void): () => void {
    this.handlers.get(key)?.push(handler as Handler);
    return () => this.off(key, handler);
  }

  get size(): number {
    return this.handlers.size;
  }
}

export namespace util {
  export const noop = () => {};
}

export const DEFAULTS: BusOptions<any> = { name: "main", limit: 3 };

const makeQueue = <T,>(limit: number): Queue<T> => {
  return Queue.of<T>(limit);
};

export default create;

test("creates a bus", () => {
  expect(create("a")).toBeDefined();
});
