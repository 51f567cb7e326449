/** What changes between two texts. Load it with `lazy`. */
import "./editor.css";
import { yaml } from "@codemirror/lang-yaml";
import { unifiedMergeView } from "@codemirror/merge";
import { EditorState } from "@codemirror/state";
import { EditorView, lineNumbers } from "@codemirror/view";
import { useEffect, useRef } from "react";
import { useTranslation } from "react-i18next";
import { common } from "./editor";

interface Props {
  before: string;
  after: string;
  label: string;
  maxHeight?: string;
}

export default function Diff({ before, after, label, maxHeight = "60vh" }: Props) {
  const { t } = useTranslation();
  const parent = useRef<HTMLDivElement>(null);
  const unchanged = t("diff.unchanged");
  useEffect(() => {
    if (!parent.current) return;
    const editor = new EditorView({
      parent: parent.current,
      doc: after,
      extensions: [
        common(label, { "$ unchanged lines": unchanged }),
        lineNumbers(),
        yaml(),
        EditorState.readOnly.of(true),
        unifiedMergeView({
          original: before,
          mergeControls: false,
          gutter: true,
          collapseUnchanged: { margin: 3, minSize: 6 },
        }),
        EditorView.theme({ ".cm-scroller": { maxHeight, overflow: "auto" } }),
      ],
    });
    return () => editor.destroy();
  }, [before, after, label, maxHeight, unchanged]);
  return <div ref={parent} />;
}
