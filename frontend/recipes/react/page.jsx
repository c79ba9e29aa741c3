// React 18 and 19: elements in JSX, and an interface of one's own by the hook.
import { useState } from "react";
import { useArticle } from "interaction-web/react";

/** @param {{ article: string }} props */
export function Page({ article }) {
  const [shown, show] = useState(true);
  return (
    <main>
      <reaction-counter article={article} show="likes" track={false}>likes</reaction-counter>
      {shown && (
        <reaction-button article={article} kind="like" theme="pill" disabled={false}>
          Like
        </reaction-button>
      )}
      <Applause article={article} />
      <button onClick={() => show(!shown)}>Hide or show</button>
    </main>
  );
}

/** @param {{ article: string }} props */
function Applause({ article }) {
  const { like } = useArticle(article);
  return (
    <button id="own" aria-pressed={like.pressed} onClick={() => like.set(!like.pressed).catch(console.error)}>
      Applaud {like.count ?? "–"}
    </button>
  );
}
