import { z } from 'zod';
import { type HeadOptions, headSchema, type InterceptOptions } from '../heads/head.js';

/** A head whose risk is asked for: any head that data can be given, and the hinge head in the limit λ → 0. */
export type RiskHead =
  | HeadOptions
  | (InterceptOptions & {
      /** Always `'hinge'`. */
      readonly kind: 'hinge';
      /** The limit λ → 0. */
      readonly ridge: 0;
    });

const hingeLimit = z.strictObject({
  kind: z.literal('hinge'),
  ridge: z.literal(0),
  intercept: z.boolean().optional(),
});

/** A head in a risk: λ = 0 of the hinge is its limit λ → 0. */
export const riskHeadSchema = z.custom<unknown>().transform((head, context) => {
  const limit = hingeLimit.safeParse(head);
  if (limit.success) return limit.data;
  const parsed = headSchema.safeParse(head);
  if (parsed.success) return parsed.data;
  for (const issue of parsed.error.issues) context.issues.push({ ...issue, input: head } as z.core.$ZodRawIssue);
  return z.NEVER;
});
