/** A text of YAML with marks at its mistakes. Load it with `lazy`; CodeMirror is not part of the first screen. */
import "./editor.css";
import { defaultKeymap, history, historyKeymap } from "@codemirror/commands";
import { yaml } from "@codemirror/lang-yaml";
import { bracketMatching, indentOnInput } from "@codemirror/language";
import { type Diagnostic, lintGutter, lintKeymap, setDiagnostics } from "@codemirror/lint";
import { Compartment, EditorState, StateEffect, StateField, type Text } from "@codemirror/state";
import {
  Decoration,
  type DecorationSet,
  EditorView,
  highlightActiveLine,
  highlightActiveLineGutter,
  keymap,
  lineNumbers,
  WidgetType,
} from "@codemirror/view";
import { useEffect, useRef } from "react";
import { common } from "./editor";

/** Positions are from 1. */
export interface Mark {
  line: number;
  column: number;
  endLine: number;
  endColumn: number;
  message: string;
  /** Shown before the message, such as whose words it is. */
  source?: string | undefined;
  severity: "error" | "warning";
}

export interface Range {
  from: number;
  to: number;
}

/** A line to show; another object scrolls again. */
export interface Target {
  line: number;
  column: number;
}

interface Props {
  value: string;
  onChange?: (value: string) => void;
  label: string;
  readOnly?: boolean;
  marks?: Mark[];
  /** Parts shown as dots. */
  masked?: Range[];
  target?: Target | undefined;
  minHeight?: number;
  maxHeight?: number | string;
}

class Dots extends WidgetType {
  override toDOM(): HTMLElement {
    const dots = document.createElement("span");
    dots.className = "cm-secret";
    dots.textContent = "••••••••";
    return dots;
  }
  override eq(): boolean {
    return true;
  }
}

const setMasked = StateEffect.define<Range[]>();
const maskedField = StateField.define<DecorationSet>({
  create: () => Decoration.none,
  update(decorations, transaction) {
    for (const effect of transaction.effects) {
      if (effect.is(setMasked)) {
        const length = transaction.newDoc.length;
        return Decoration.set(
          effect.value
            .filter(({ from, to }) => from < to && to <= length)
            .map(({ from, to }) => Decoration.replace({ widget: new Dots() }).range(from, to)),
          true,
        );
      }
    }
    return decorations.map(transaction.changes);
  },
  provide: (field) => [
    EditorView.decorations.from(field),
    EditorView.atomicRanges.of((view) => view.state.field(field)),
  ],
});

function offset(doc: Text, line: number, column: number): number {
  const at = doc.line(Math.min(Math.max(line, 1), doc.lines));
  return Math.min(at.from + Math.max(column, 1) - 1, at.to);
}

function toDiagnostic(doc: Text, mark: Mark): Diagnostic {
  const from = offset(doc, mark.line, mark.column);
  let to = Math.max(offset(doc, mark.endLine, mark.endColumn), from);
  if (to === from) to = Math.min(from + 1, doc.lineAt(from).to);
  return {
    from,
    to,
    severity: mark.severity,
    message: mark.message,
    ...(mark.source ? { source: mark.source } : {}),
  };
}

/**
 * Chromium writes text that replaces a selection with the style of what was there, as a `style` attribute, which the
 * policy of the page forbids.
 */
const replaceSelection = EditorView.domEventHandlers({
  beforeinput(event, view) {
    const { state } = view;
    if (event.inputType !== "insertText" || !event.data || view.composing || state.readOnly) return false;
    if (state.selection.ranges.every(({ empty }) => empty)) return false;
    event.preventDefault();
    view.dispatch(state.replaceSelection(event.data), { userEvent: "input.type", scrollIntoView: true });
    return true;
  },
});

/** Replaces only what differs, so that the cursor and the marks elsewhere stay where they are. */
function difference(before: string, after: string) {
  let start = 0;
  const shorter = Math.min(before.length, after.length);
  while (start < shorter && before[start] === after[start]) start++;
  let end = 0;
  while (end < shorter - start && before[before.length - 1 - end] === after[after.length - 1 - end]) end++;
  return { from: start, to: before.length - end, insert: after.slice(start, after.length - end) };
}

const NO_MARKS: Mark[] = [];
const NO_RANGES: Range[] = [];

export default function CodeEditor({
  value,
  onChange,
  label,
  readOnly = false,
  marks = NO_MARKS,
  masked = NO_RANGES,
  target,
  minHeight = 120,
  maxHeight = 560,
}: Props) {
  const parent = useRef<HTMLDivElement>(null);
  const view = useRef<EditorView>(undefined);
  const changed = useRef(onChange);
  const initial = useRef(value);
  const fixed = useRef(new Compartment());
  useEffect(() => {
    changed.current = onChange;
  });

  useEffect(() => {
    if (!parent.current) return;
    const editor = new EditorView({
      parent: parent.current,
      doc: initial.current,
      extensions: [
        common(label),
        lineNumbers(),
        history(),
        bracketMatching(),
        indentOnInput(),
        highlightActiveLine(),
        highlightActiveLineGutter(),
        lintGutter(),
        // Tab is left to the browser: the keyboard can leave the editor.
        keymap.of([...defaultKeymap, ...historyKeymap, ...lintKeymap]),
        yaml(),
        replaceSelection,
        maskedField,
        fixed.current.of([]),
        EditorView.theme({
          ".cm-scroller": {
            minHeight: `${minHeight}px`,
            maxHeight: typeof maxHeight === "number" ? `${maxHeight}px` : maxHeight,
            overflow: "auto",
          },
        }),
        EditorView.updateListener.of((update) => {
          if (!update.docChanged) return;
          const text = update.state.doc.toString();
          initial.current = text;
          changed.current?.(text);
        }),
      ],
    });
    view.current = editor;
    return () => editor.destroy();
  }, [label, minHeight, maxHeight]);

  useEffect(() => {
    view.current?.dispatch({
      effects: fixed.current.reconfigure(readOnly ? EditorState.readOnly.of(true) : []),
    });
  }, [readOnly, label, minHeight, maxHeight]);

  useEffect(() => {
    const editor = view.current;
    const text = editor?.state.doc.toString();
    if (editor && text !== undefined && text !== value) editor.dispatch({ changes: difference(text, value) });
  }, [value]);

  useEffect(() => {
    view.current?.dispatch({ effects: setMasked.of(masked) });
  }, [masked, value]);

  useEffect(() => {
    const editor = view.current;
    if (!editor) return;
    const { doc } = editor.state;
    editor.dispatch(
      setDiagnostics(
        editor.state,
        marks.map((mark) => toDiagnostic(doc, mark)),
      ),
    );
  }, [marks]);

  useEffect(() => {
    const editor = view.current;
    if (!editor || !target) return;
    const at = offset(editor.state.doc, target.line, target.column);
    editor.dispatch({ selection: { anchor: at }, effects: EditorView.scrollIntoView(at, { y: "center" }) });
    editor.focus();
  }, [target]);

  return <div ref={parent} />;
}
