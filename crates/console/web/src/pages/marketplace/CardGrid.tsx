/** Cards in rows; of hundreds of plug-ins, only the rows near the window exist, so that the page stays fluid. */
import { useElementSize } from "@mantine/hooks";
import { defaultRangeExtractor, useWindowVirtualizer } from "@tanstack/react-virtual";
import { useCallback, useLayoutEffect, useRef, useState } from "react";
import type { Card } from "../../api/types";
import type { Dialog } from ".";
import { PluginCard } from "./PluginCard";

const MIN_WIDTH = 300;
const HEIGHT = 212;
const GAP = 14;
const MAX_COLUMNS = 5;
/** Up to this number of cards, all exist, so that the browser's own search finds them. */
const ALL = 60;

interface Props {
  gateway: string;
  cards: Card[];
  onDialog: (dialog: Dialog) => void;
}

export function CardGrid({ gateway, cards, onDialog }: Props) {
  const { ref: sizeRef, width } = useElementSize();
  const list = useRef<HTMLDivElement | null>(null);
  const [offset, setOffset] = useState(0);
  const [focusedRow, setFocusedRow] = useState<number>();
  const columns = Math.max(1, Math.min(MAX_COLUMNS, Math.floor((width + GAP) / (MIN_WIDTH + GAP))));
  const rows = Math.ceil(cards.length / columns);
  const showAll = cards.length <= ALL;

  // What is above the list may grow, such as a warning about faulty files; the page then changes its height.
  useLayoutEffect(() => {
    const measure = () => {
      const top = list.current ? list.current.getBoundingClientRect().top + window.scrollY : 0;
      setOffset((old) => (Math.abs(top - old) > 1 ? top : old));
    };
    const observer = new ResizeObserver(measure);
    observer.observe(document.body);
    measure();
    return () => observer.disconnect();
  }, []);

  const virtualizer = useWindowVirtualizer({
    count: rows,
    estimateSize: () => HEIGHT,
    gap: GAP,
    overscan: 2,
    scrollMargin: offset,
    // A row that scrolls away with the focus would drop it to the top of the page.
    rangeExtractor: useCallback(
      (range: Parameters<typeof defaultRangeExtractor>[0]) => {
        if (showAll) return Array.from({ length: range.count }, (_, row) => row);
        const visible = defaultRangeExtractor(range);
        if (focusedRow === undefined || focusedRow >= range.count || visible.includes(focusedRow))
          return visible;
        return [...visible, focusedRow].sort((a, b) => a - b);
      },
      [focusedRow, showAll],
    ),
  });

  return (
    <div
      ref={(element) => {
        list.current = element;
        sizeRef(element);
      }}
    >
      {width > 0 && (
        <div
          role="list"
          style={{ position: "relative", height: virtualizer.getTotalSize() }}
          onBlur={() => setFocusedRow(undefined)}
        >
          {virtualizer.getVirtualItems().flatMap((row) =>
            cards.slice(row.index * columns, (row.index + 1) * columns).map((card, column) => (
              // A card that gets another place stays the same element: an open menu stays open, and a click arrives.
              <div
                key={card.id}
                role="presentation"
                onFocus={() => setFocusedRow(row.index)}
                style={{
                  position: "absolute",
                  top: 0,
                  insetInlineStart: `calc((100% + ${GAP}px) / ${columns} * ${column})`,
                  width: `calc((100% + ${GAP}px) / ${columns} - ${GAP}px)`,
                  height: HEIGHT,
                  transform: `translateY(${row.start - offset}px)`,
                }}
              >
                <PluginCard
                  gateway={gateway}
                  card={card}
                  position={row.index * columns + column + 1}
                  total={cards.length}
                  onDialog={onDialog}
                />
              </div>
            )),
          )}
        </div>
      )}
    </div>
  );
}
