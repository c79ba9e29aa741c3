/**
 * The kinds: what a user switches on or off for an article. Everything here that needs them reads this list; the service's
 * own table is `contract/src/kind.rs`. Kinds that exclude each other name each other, and of those one at most is on.
 *
 * @typedef {object} Kind
 * @property {string} name of its path, of its toggle (`article(id)[name]`), and of a button's attribute `kind`
 * @property {string} on the field of answers that says whether it is on
 * @property {string} count the field of answers with its count
 * @property {string} [excludes] the name of the kind that it switches off
 * @property {true} [projected] that queries read a copy of it, which can be behind the answers to changes: its truth is MySQL
 */

export const kinds = /** @type {const} @satisfies {readonly Kind[]} */ ([
  { name: "like", on: "liked", count: "likes", excludes: "dislike" },
  { name: "dislike", on: "disliked", count: "dislikes", excludes: "like" },
  { name: "collect", on: "collected", count: "collects", projected: true },
]);

/**
 * What a kind's button looks like if the page does not say: its label, and its icon, an SVG path in a square of 24. They are
 * not in the list above, so that a page with an interface of its own does not load them.
 *
 * @type {{ [name in (typeof kinds)[number]["name"]]: { label: string, icon: string } }}
 */
export const looks = {
  like: { label: "Like", icon: "M12 21C5 15 2 12 2 8a5 5 0 0 1 10-1 5 5 0 0 1 10 1c0 4-3 7-10 13z" },
  dislike: { label: "Dislike", icon: "M16 3H7L3 12v2h7l-1 6 2 1 5-7zM20 3v11" },
  collect: { label: "Save", icon: "M6 3h12v18l-6-5-6 5z" },
};
