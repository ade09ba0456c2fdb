import jsep from 'jsep';
import { StudyError } from '../../base/errors.js';
import type { FactorValue } from './factors.js';

/**
 * Expressions over the options of an experiment, in linked factors and exclusions. jsep parses; what is evaluated here is a
 * closed list of operators and functions over plain values. There are no objects with methods, no assignment and no access to
 * anything but the options, so that an expression from a stranger can do nothing but compute a value.
 */

/** A longer text is refused, which also bounds the depth of its tree. */
const kLongest = 500;

const kFunctions: Readonly<Record<string, (...values: number[]) => number>> = {
  abs: Math.abs,
  ceil: Math.ceil,
  exp: Math.exp,
  floor: Math.floor,
  log: Math.log,
  log2: Math.log2,
  log10: Math.log10,
  max: Math.max,
  min: Math.min,
  round: Math.round,
  sqrt: Math.sqrt,
};

const kArithmetic: Readonly<Record<string, (a: number, b: number) => number | boolean>> = {
  '+': (a, b) => a + b,
  '-': (a, b) => a - b,
  '*': (a, b) => a * b,
  '/': (a, b) => a / b,
  '%': (a, b) => a % b,
  '**': (a, b) => a ** b,
  '<': (a, b) => a < b,
  '<=': (a, b) => a <= b,
  '>': (a, b) => a > b,
  '>=': (a, b) => a >= b,
};

/** A parsed expression. */
export type Expression = (options: unknown) => FactorValue;

class Evaluation {
  constructor(
    private readonly where: string,
    private readonly options: unknown,
  ) {}

  fail(reason: string): never {
    throw new StudyError(`${this.where}: ${reason}`);
  }

  number(node: jsep.Expression): number {
    const value = this.value(node);
    return typeof value === 'number' ? value : this.fail(`needs a number, got ${JSON.stringify(value)}`);
  }

  truth(node: jsep.Expression): boolean {
    const value = this.value(node);
    return typeof value === 'boolean' ? value : this.fail(`needs true or false, got ${JSON.stringify(value)}`);
  }

  /** The dotted path that a chain of names and indices spells. */
  path(node: jsep.Expression): (string | number)[] {
    if (node.type === 'Identifier') return [(node as jsep.Identifier).name];
    const { object, property, computed } = node as jsep.MemberExpression;
    if (object.type !== 'Identifier' && object.type !== 'MemberExpression') this.fail('only an option has parts');
    const part = computed ? this.number(property) : (property as jsep.Identifier).name;
    return [...this.path(object), part];
  }

  option(node: jsep.Expression): FactorValue {
    const path = this.path(node);
    let value: unknown = this.options;
    for (const part of path) {
      // Of an array only its elements.
      const isNamed = !Array.isArray(value) || typeof part === 'number';
      const isOwn = isNamed && typeof value === 'object' && value !== null && Object.hasOwn(value, part);
      if (!isOwn) this.fail(`the experiment has no option ${path.join('.')} here`);
      value = (value as Record<string | number, unknown>)[part];
    }
    return value as FactorValue;
  }

  binary({ operator, left, right }: jsep.BinaryExpression): FactorValue {
    if (operator === '&&') return this.truth(left) && this.truth(right);
    if (operator === '||') return this.truth(left) || this.truth(right);
    if (operator === '==' || operator === '===') return this.value(left) === this.value(right);
    if (operator === '!=' || operator === '!==') return this.value(left) !== this.value(right);
    const operation = Object.hasOwn(kArithmetic, operator) ? kArithmetic[operator] : undefined;
    if (operation === undefined)
      this.fail(`has no operator ${operator}${operator === '^' ? '; a power is written **' : ''}`);
    return operation(this.number(left), this.number(right));
  }

  call({ callee, arguments: values }: jsep.CallExpression): number {
    const name = callee.type === 'Identifier' ? (callee as jsep.Identifier).name : '';
    const called = Object.hasOwn(kFunctions, name) ? kFunctions[name] : undefined;
    if (called === undefined) this.fail(`calls something other than ${Object.keys(kFunctions).join(', ')}`);
    return called(...values.map((value) => this.number(value)));
  }

  value(node: jsep.Expression): FactorValue {
    switch (node.type) {
      case 'Literal': {
        const { value } = node as jsep.Literal;
        return value === null ? this.fail('has no value null') : (value as FactorValue);
      }
      case 'Identifier':
      case 'MemberExpression':
        return this.option(node);
      case 'ArrayExpression':
        return (node as jsep.ArrayExpression).elements.map((element) =>
          element === null ? this.fail('has an array with a hole') : this.value(element),
        );
      case 'UnaryExpression': {
        const { operator, argument } = node as jsep.UnaryExpression;
        if (operator === '!') return !this.truth(argument);
        if (operator === '-') return -this.number(argument);
        return operator === '+' ? this.number(argument) : this.fail(`has no operator ${operator}`);
      }
      case 'BinaryExpression':
        return this.binary(node as jsep.BinaryExpression);
      case 'ConditionalExpression': {
        const { test, consequent, alternate } = node as jsep.ConditionalExpression;
        return this.value(this.truth(test) ? consequent : alternate);
      }
      case 'CallExpression':
        return this.call(node as jsep.CallExpression);
      default:
        return this.fail('is not one expression over the options of the experiment');
    }
  }
}

/**
 * Parse an expression. It may use numbers, texts, `true`, `false`, options of the experiment by their dotted path
 * (`mixture.dimension`, `stepSizes[1]`), `+ - * / % **`, comparisons, `&& || !`, `a ? b : c`, arrays, and the functions abs, ceil, exp,
 * floor, log, log2, log10, max, min, round, sqrt.
 *
 * @param where Where the expression stands, for errors: `linked.stepSizes`.
 * @throws {@link StudyError} if it cannot be parsed; the returned function throws one if it cannot be evaluated.
 */
export function parseExpression(text: string, where: string): Expression {
  if (text.length > kLongest) throw new StudyError(`${where}: must be at most ${kLongest} characters long`);
  let tree: jsep.Expression;
  try {
    tree = jsep(text);
  } catch (cause) {
    throw new StudyError(`${where}: cannot be parsed: ${(cause as Error).message}`, { cause });
  }
  return (options) => new Evaluation(where, options).value(tree);
}
