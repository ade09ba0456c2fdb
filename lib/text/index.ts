export type { Corpus, ExclusionReason, TextDocument } from './corpus.js';
export { distinctDocuments, type SharedDocuments, sharedDocuments } from './duplicates.js';
export { type EmbeddedTexts, type EmbedTextsOptions, embedTexts } from './embed.js';
export { type LearnedWordVectors, type LearnWordVectorsOptions, learnWordVectors } from './learn.js';
export { type Mail, parseMail } from './mail.js';
export { type NumberArray, readNpy, writeNpy } from './npy.js';
export {
  type ReadFolderOptions,
  type ReadRecordsOptions,
  readCsv,
  readFolder,
  readJsonLines,
} from './read.js';
export { loadWordVectors, saveWordVectors, wordVectors } from './saved-vectors.js';
export { type ReadSpamAssassinOptions, readSpamAssassin, type SpamAssassinPart } from './spam-assassin.js';
export { type ReadWordVectorsOptions, readWordVectors, type WordVectors } from './word-vectors.js';
export { buildVocabulary, type Vocabulary, type VocabularyOptions, type WordsOptions, wordsOf } from './words.js';
