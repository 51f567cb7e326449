import "@mantine/core/styles.css";
import "@mantine/notifications/styles.css";
import "./app/base.css";
import { setNonce } from "get-nonce";
import { createRoot } from "react-dom/client";
import { App } from "./app/App";
import { nonce } from "./app/nonce";
import { startI18n } from "./i18n";

// The library that stops the page from scrolling behind a drawer adds a style element.
setNonce(nonce());

const root = document.getElementById("root");
if (root) void startI18n().then(() => createRoot(root).render(<App />));
