import { connect, createServer, type Server, type Socket } from 'node:net';

/** Stands between clients and a PostgreSQL server of a test, and loses what the test wants lost. */
export class PostgresProxy {
  private readonly sockets = new Set<Socket>();
  private toLose = 0;
  private stalled = false;
  private muted = false;
  /** Milliseconds that everything takes, each way. */
  private delay = 0;
  /** Answers to COMMIT that were lost. */
  lost = 0;

  private constructor(private readonly server: Server) {}

  static async start(serverPort: number): Promise<PostgresProxy> {
    const server = createServer();
    const proxy = new PostgresProxy(server);
    server.on('connection', (client) => proxy.join(client, connect(serverPort, '127.0.0.1')));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  get port(): number {
    return (this.server.address() as { port: number }).port;
  }

  private join(client: Socket, server: Socket): void {
    let committing = false;
    const close = () => {
      for (const socket of [client, server]) {
        this.sockets.delete(socket);
        socket.destroy();
      }
    };
    for (const socket of [client, server]) {
      this.sockets.add(socket);
      socket.on('error', close);
      socket.on('close', close);
    }
    client.on('data', (data) => {
      if (this.stalled) return;
      committing = this.toLose > 0 && /^Q....commit\0$/is.test(data.toString('latin1'));
      this.pass(data, server);
    });
    server.on('data', (data) => {
      if (this.stalled || this.muted) return;
      if (committing) {
        // The server has answered, so that it has committed; nobody hears it.
        this.toLose -= 1;
        this.lost += 1;
        close();
      } else this.pass(data, client);
    });
  }

  private pass(data: Buffer, to: Socket): void {
    // Timers of one delay go off in their order.
    if (this.delay > 0) setTimeout(() => to.write(data), this.delay);
    else to.write(data);
  }

  /** Let everything take so many milliseconds from now on, each way. */
  slow(milliseconds: number): void {
    this.delay = milliseconds;
  }

  /** Lose the answers to the next commits, with the connections. */
  loseCommits(count: number): void {
    this.toLose = count;
  }

  /** Lose everything that is sent, both ways, without closing anything, as a network that is parted does; or no longer. */
  stall(stalled: boolean): void {
    this.stalled = stalled;
  }

  /** Lose what the server answers, or no longer. */
  muteServer(muted: boolean): void {
    this.muted = muted;
  }

  close(): void {
    for (const socket of this.sockets) socket.destroy();
    this.server.close();
  }
}
