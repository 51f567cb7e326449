import {
  Alert,
  Loader,
  CloseButton,
  type CloseButtonProps,
  createTheme,
  type MantineColorsTuple,
  Menu,
} from "@mantine/core";

const blue: MantineColorsTuple = [
  "#eef3fe",
  "#dbe4f9",
  "#b5c6f1",
  "#8ca7ea",
  "#6a8ce4",
  "#547ae0",
  "#4870de",
  "#2f5bd0",
  "#2851ba",
  "#1c46a5",
];

/** `close` is the name of buttons that close something, in the reader's language. */
export const makeTheme = (close: string) =>
  createTheme({
    primaryColor: "portcullis",
    primaryShade: { light: 7, dark: 7 },
    colors: { portcullis: blue },
    defaultRadius: "sm",
    cursorType: "pointer",
    respectReducedMotion: true,
    fontFamily:
      'system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC", sans-serif',
    fontFamilyMonospace: 'ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace',
    headings: { fontWeight: "600", sizes: { h1: { fontSize: "1.375rem" }, h2: { fontSize: "1.125rem" } } },
    components: {
      // The colour of the box has too little contrast as the colour of its title.
      Alert: Alert.extend({ styles: { title: { color: "var(--mantine-color-text)" } } }),
      // A label needs a role.
      Loader: Loader.extend({ defaultProps: { role: "status" } }),
      CloseButton: CloseButton.extend({ defaultProps: { "aria-label": close } as Partial<CloseButtonProps> }),
      // The placeholder is an element with a tabindex that a menu must not contain.
      Menu: Menu.extend({ defaultProps: { withInitialFocusPlaceholder: false } }),
    },
  });
