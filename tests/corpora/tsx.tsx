// A list that can be filtered.
import React, { useState } from "react";
import { Row } from "./Row";

interface Props<T> {
  items: T[];
  render: (item: T) => JSX.Element;
}

export function FilterList<T>({ items, render }: Props<T>) {
  const [query, setQuery] = useState("");
  const visible = items.filter((i) => String(i).includes(query));
  return (
    <section>
      <SearchBox value={query} onChange={setQuery} />
      {visible.map((i) => (
        <Row key={String(i)}>{render(i)}</Row>
      ))}
    </section>
  );
}

/** A labelled button. */
export const Button: React.FC<{ label: string }> = ({ label }) => {
  return <button>{label}</button>;
};

export default React.memo(FilterList);
