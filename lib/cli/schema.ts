import { Command } from 'commander';

/** `prompt-attention schema`. */
export function schemaCommand(): Command {
  return new Command('schema')
    .description('print the JSON Schema of study files, with which editors complete and explain their options')
    .action(async () => {
      const { studyJsonSchema } = await import('../study/definition/json-schema.js');
      process.stdout.write(`${JSON.stringify(studyJsonSchema(), null, 2)}\n`);
    });
}
