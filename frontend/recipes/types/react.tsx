// Read by the type checker alone, with the types of React 19 and with those of React 18.
import { useArticle } from "interaction-web/react";

export const elements = (
  <p>
    <reaction-button article="42" kind="collect" theme="pill" disabled className="wide" />
    <reaction-counter article="42" show="likes" track={false}>likes</reaction-counter>
    <reaction-button article="42" oninteraction-change={({ detail }) => detail.count?.toFixed()} />
    {/* @ts-expect-error there is no such kind */}
    <reaction-button article="42" kind="hug" />
    {/* @ts-expect-error an id is a text */}
    <reaction-counter article={42} />
  </p>
);

export function Hook() {
  const { like, counters } = useArticle("42");
  return <b onClick={() => like.set(true)}>{(like.count ?? 0) + (counters.pv ?? 0)}</b>;
}
