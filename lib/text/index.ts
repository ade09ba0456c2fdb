export { textFigure } from '../report/real-data/texts.js';
export {
  attendedWords,
  type ErasureCurve,
  type ErasureOptions,
  erasureCurve,
  type WordAttention,
} from './attended-words.js';
export {
  type AttendedWord,
  type ClassifiedText,
  type ClassifierExperiment,
  classifyTexts,
  type LearnClassifierOptions,
  learnClassifier,
  type TextClassifier,
  testDocuments,
} from './classifier.js';
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
export { loadClassifier, saveClassifier } from './saved-classifier.js';
export { loadWordVectors, saveWordVectors, wordVectors } from './saved-vectors.js';
export {
  type CorpusSource,
  type FolderSource,
  type RecordsSource,
  readCorpus,
  type SpamAssassinSource,
} from './source.js';
export { type ReadSpamAssassinOptions, readSpamAssassin, type SpamAssassinPart } from './spam-assassin.js';
export { type ReadWordVectorsOptions, readWordVectors, type WordVectors } from './word-vectors.js';
export {
  type AttentionViewOptions,
  attentionHtml,
  attentionSvg,
  attentionTerminal,
  type ShownText,
} from './word-views.js';
export { buildVocabulary, type Vocabulary, type VocabularyOptions, type WordsOptions, wordsOf } from './words.js';
