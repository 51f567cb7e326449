/** A module on its way to the gateway: a file that uploads as soon as it is chosen, or an image whose digest is resolved. */
import { useCallback, useEffect, useRef, useState } from "react";
import { isAbort, problemOf, resolveImage, uploadModule } from "../../api/client";
import type { Image, ModuleSource, Problem, Upload } from "../../api/types";
import { checkFile } from "./validation";

export type Source = "file" | "image";

export type FileState =
  | { kind: "none" }
  | { kind: "uploading"; file: File; fraction: number }
  | { kind: "uploaded"; upload: Upload }
  | { kind: "failed"; name: string; problem: Problem };

export type ImageState =
  | { kind: "none" }
  | { kind: "resolving" }
  | { kind: "resolved"; image: Image }
  | { kind: "failed"; problem: Problem };

export interface ModuleControl {
  source: Source;
  setSource: (source: Source) => void;
  file: FileState;
  chooseFile: (file: File) => void;
  clearFile: () => void;
  reference: string;
  setReference: (reference: string) => void;
  image: ImageState;
  resolve: () => Promise<ModuleSource | undefined>;
  /** The module once it has arrived, undefined if none was chosen; throws the reason if it was refused. */
  settle: () => Promise<ModuleSource | undefined>;
}

export function useModule(gateway: string, onModule: (module: Upload | Image) => void): ModuleControl {
  const [source, setSource] = useState<Source>("file");
  const [file, setFile] = useState<FileState>({ kind: "none" });
  const [reference, setReferenceText] = useState("");
  const [image, setImage] = useState<ImageState>({ kind: "none" });
  const pending = useRef<Promise<ModuleSource | undefined>>(Promise.resolve(undefined));
  const abort = useRef(new AbortController());
  const announce = useRef(onModule);
  useEffect(() => {
    announce.current = onModule;
  });
  // A drawer that closes stops its upload; the server removes what has arrived.
  useEffect(() => () => abort.current.abort(), []);

  const restart = () => {
    abort.current.abort();
    abort.current = new AbortController();
    return abort.current.signal;
  };

  const upload = useCallback(
    async (chosen: File, signal: AbortSignal): Promise<ModuleSource | undefined> => {
      try {
        const problem = await checkFile(chosen);
        if (signal.aborted) return undefined;
        if (problem) {
          setFile({ kind: "failed", name: chosen.name, problem });
          return undefined;
        }
        setFile({ kind: "uploading", file: chosen, fraction: 0 });
        const result = await uploadModule(
          gateway,
          chosen,
          (fraction) => {
            if (!signal.aborted) setFile({ kind: "uploading", file: chosen, fraction });
          },
          signal,
        );
        setFile({ kind: "uploaded", upload: result });
        announce.current(result);
        return { upload: result.id };
      } catch (error) {
        if (!isAbort(error)) setFile({ kind: "failed", name: chosen.name, problem: problemOf(error) });
        return undefined;
      }
    },
    [gateway],
  );

  const resolve = async (): Promise<ModuleSource | undefined> => {
    const wanted = reference.trim();
    if (wanted === "") return undefined;
    if (image.kind === "resolved" && image.image.reference === wanted) return { image: image.image.pinned };
    const signal = restart();
    setImage({ kind: "resolving" });
    try {
      const result = await resolveImage(gateway, wanted, signal);
      setImage({ kind: "resolved", image: { ...result, reference: wanted } });
      announce.current(result);
      return { image: result.pinned };
    } catch (error) {
      if (!isAbort(error)) setImage({ kind: "failed", problem: problemOf(error) });
      return undefined;
    }
  };

  return {
    source,
    setSource,
    file,
    chooseFile: (chosen) => {
      pending.current = upload(chosen, restart());
    },
    clearFile: () => {
      restart();
      pending.current = Promise.resolve(undefined);
      setFile({ kind: "none" });
    },
    reference,
    setReference: (text) => {
      setReferenceText(text);
      setImage({ kind: "none" });
    },
    image,
    resolve,
    settle: () => (source === "file" ? pending.current : resolve()),
  };
}

/** Why the chosen module cannot be used, if so. */
export function moduleProblem(module: ModuleControl): Problem | undefined {
  const state = module.source === "file" ? module.file : module.image;
  return state.kind === "failed" ? state.problem : undefined;
}
