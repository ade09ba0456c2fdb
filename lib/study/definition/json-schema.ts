import { z } from 'zod';
import { experimentSchema } from '../../simulation/kinds.js';
import { studySchema } from './spec.js';

type JsonSchema = z.core.JSONSchema.JSONSchema;

/** The JSON Schema of what a schema accepts; what was expected, which its errors say, as the description. */
function jsonSchemaOf(schema: z.ZodType): JsonSchema {
  return z.toJSONSchema(schema, {
    io: 'input',
    unrepresentable: 'any',
    override({ zodSchema, jsonSchema }) {
      const { error } = zodSchema._zod.def as { readonly error?: (issue: object) => unknown };
      const expected = error?.({});
      if (typeof expected === 'string') jsonSchema.description ??= expected;
    },
  });
}

/** The same where nothing is required, as factors may provide it, so that alternatives need not exclude each other. */
function partial(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(partial);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).flatMap(([name, part]) => {
      // Of a schema; an option of this name would hold a schema, no list.
      if (name === 'required' && Array.isArray(part)) return [];
      return [[name === 'oneOf' ? 'anyOf' : name, partial(part)]];
    }),
  );
}

/**
 * The JSON Schema of study files, for editors: names, types, choices and defaults of all options, what they must be as their
 * descriptions. It accepts every study file that is valid; what it cannot say, such as ranges of numbers and what options must have to
 * do with each other, `define` says.
 */
export function studyJsonSchema(): JsonSchema {
  const study = jsonSchemaOf(studySchema(undefined));
  const { $schema: _, ...experiment } = partial(jsonSchemaOf(experimentSchema)) as JsonSchema;
  const { properties = {}, required = [], ...rest } = study;
  const trials = properties.trials as JsonSchema;
  const { description, ...rule } = trials;
  return {
    ...rest,
    title: 'A study of prompt-attention',
    required: [...new Set([...required, 'seed'])],
    properties: {
      ...properties,
      seed: {
        description: 'an integer in [0, 2^64), or its digits as text',
        anyOf: [
          { type: 'integer', minimum: 0 },
          { type: 'string', pattern: '^[0-9]{1,20}$' },
        ],
      },
      experiment: { ...experiment, description: 'what all cells share; may lack what the factors provide' },
      trials: {
        ...(description === undefined ? {} : { description }),
        anyOf: [{ type: 'integer', minimum: 1 }, { const: 'theory-only' }, rule],
      },
    },
  };
}
