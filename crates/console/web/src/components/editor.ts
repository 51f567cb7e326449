/** What all CodeMirror editors of the page have in common. */
import { HighlightStyle, syntaxHighlighting } from "@codemirror/language";
import { EditorState, type Extension } from "@codemirror/state";
import { EditorView } from "@codemirror/view";
import { tags } from "@lezer/highlight";
import { nonce } from "../app/nonce";

const highlight = HighlightStyle.define([
  { tag: [tags.propertyName, tags.definition(tags.propertyName)], color: "var(--code-key)" },
  { tag: [tags.string, tags.content], color: "var(--code-string)" },
  { tag: [tags.number, tags.bool, tags.null, tags.keyword, tags.typeName], color: "var(--code-number)" },
  { tag: tags.comment, color: "var(--code-comment)", fontStyle: "italic" },
  { tag: [tags.separator, tags.punctuation, tags.meta], color: "var(--mantine-color-dimmed)" },
]);

// Colours are variables, so the theme of the page applies without a rebuild of the editor.
const theme = EditorView.theme({
  "&": {
    fontSize: "13px",
    backgroundColor: "var(--mantine-color-body)",
    color: "var(--mantine-color-text)",
    border: "1px solid var(--mantine-color-default-border)",
    borderRadius: "var(--mantine-radius-sm)",
  },
  "&.cm-focused": { outline: "2px solid var(--mantine-primary-color-filled)", outlineOffset: "1px" },
  ".cm-scroller": { fontFamily: "var(--mantine-font-family-monospace)", lineHeight: "1.5" },
  ".cm-content": { caretColor: "var(--mantine-color-text)" },
  ".cm-cursor": { borderLeftColor: "var(--mantine-color-text)" },
  ".cm-gutters": {
    backgroundColor: "var(--code-gutter)",
    color: "var(--mantine-color-dimmed)",
    borderRight: "1px solid var(--mantine-color-default-border)",
  },
  ".cm-activeLine": { backgroundColor: "var(--code-line)" },
  ".cm-activeLineGutter": { backgroundColor: "var(--code-line)" },
  "&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground": {
    backgroundColor: "var(--code-selection)",
  },
  ".cm-tooltip": {
    backgroundColor: "var(--mantine-color-body)",
    color: "var(--mantine-color-text)",
    border: "1px solid var(--mantine-color-default-border)",
    maxWidth: "min(480px, 90vw)",
  },
  ".cm-secret": { color: "var(--mantine-color-dimmed)", letterSpacing: "1px" },
  ".cm-collapsedLines": {
    background: "var(--code-gutter)",
    color: "var(--mantine-color-text)",
    fontFamily: "var(--mantine-font-family)",
  },
  // The default signs are missing from many fonts.
  ".cm-collapsedLines::before, .cm-collapsedLines::after": { content: '"⋯"' },
  "&.cm-merge-b .cm-changedLine, .cm-insertedLine": { backgroundColor: "var(--code-added)" },
  ".cm-deletedChunk, &.cm-merge-a .cm-changedLine": { backgroundColor: "var(--code-removed)" },
  "&.cm-merge-b .cm-changedText, .cm-insertedLine .cm-changedText": { background: "var(--code-added-text)" },
  ".cm-deletedChunk .cm-deletedText, &.cm-merge-a .cm-changedText": {
    background: "var(--code-removed-text)",
  },
  ".cm-deletedChunk .cm-deletedLine": { textDecoration: "none" },
  ".cm-deletedLine, .cm-deletedLine del": { textDecoration: "none" },
});

export interface Phrases {
  [text: string]: string;
}

export function common(label: string, phrases: Phrases = {}): Extension {
  return [
    EditorView.cspNonce.of(nonce()),
    EditorView.contentAttributes.of({
      "aria-label": label,
      spellcheck: "false",
      autocapitalize: "off",
      tabindex: "0",
    }),
    EditorState.phrases.of(phrases),
    EditorState.tabSize.of(2),
    EditorView.lineWrapping,
    syntaxHighlighting(highlight),
    theme,
  ];
}
