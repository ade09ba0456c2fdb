import { randomBytes } from 'node:crypto';
import { isAllowed, shell } from './tools.js';

/** Whether hosts can be made here. Without the privilege tests that need it are skipped, with a line. */
export const canMakeHosts = (): boolean =>
  isAllowed(
    'making network namespaces',
    'n=prompt-attention-$$; ip netns add $n && ip netns exec $n nft list tables && ip netns del $n',
  );

/** Hosts of a test, network namespaces with an address each, on one switch that may lose what is sent. */
export class TestHosts {
  /** Namespaces of several tests at once have different names. */
  private readonly name = `pa${randomBytes(3).toString('hex')}`;

  private constructor(private readonly count: number) {}

  static make(count: number): TestHosts {
    const hosts = new TestHosts(count);
    const { name } = hosts;
    shell(`ip netns add ${name}
      ip -n ${name} link add name bridge0 type bridge
      ip -n ${name} link set bridge0 up
      ip netns exec ${name} nft 'add table bridge faults; add chain bridge faults forward { type filter hook forward priority 0; }'`);
    for (let host = 0; host < count; host++)
      shell(`ip netns add ${name}-${host}
        ip -n ${name}-${host} link set lo up
        ip link add name port${host} netns ${name} type veth peer name eth0 netns ${name}-${host}
        ip -n ${name} link set port${host} master bridge0 up
        ip -n ${name}-${host} addr add ${hosts.address(host)}/24 dev eth0
        ip -n ${name}-${host} link set eth0 up`);
    return hosts;
  }

  address(host: number): string {
    return `10.77.0.${host + 1}`;
  }

  /** What starts a program on a host. */
  on(host: number): readonly string[] {
    return ['ip', 'netns', 'exec', `${this.name}-${host}`];
  }

  /** Lose so many percent of what a host sends and is sent, at random. */
  lose(host: number, percent: number): void {
    for (const side of ['iifname', 'oifname'])
      this.rule(`add rule bridge faults forward ${side} port${host} numgen random mod 100 < ${percent} drop`);
  }

  /** Part a host from the others: what is sent is lost without a word. */
  part(host: number): void {
    for (const side of ['iifname', 'oifname']) this.rule(`add rule bridge faults forward ${side} port${host} drop`);
  }

  /** Lose nothing any more. */
  heal(): void {
    this.rule('flush chain bridge faults forward');
  }

  private rule(text: string): void {
    shell(`ip netns exec ${this.name} nft '${text}'`);
  }

  /** Take the link of a host down or up. */
  link(host: number, state: 'down' | 'up'): void {
    shell(`ip -n ${this.name}-${host} link set eth0 ${state}`);
  }

  remove(): void {
    for (let host = 0; host < this.count; host++) shell(`ip netns del ${this.name}-${host}`);
    shell(`ip netns del ${this.name}`);
  }
}
