/**
 * The kinds: what a user switches on or off for an article. Everything here that needs them reads this list; the service's
 * own table is `contract/src/kind.rs`. Kinds that exclude each other name each other, and of those one at most is on.
 *
 * @typedef {object} Kind
 * @property {string} name of its path, and of its toggle: `article(id)[name]`
 * @property {string} on the field of answers that says whether it is on
 * @property {string} count the field of answers with its count
 * @property {string} [excludes] the name of the kind that it switches off
 * @property {string} tag the element's name
 * @property {string} label what the button says, if the page gives no label of its own
 * @property {string} icon an SVG path in a square of 24
 */

export const kinds = /** @type {const} @satisfies {readonly Kind[]} */ ([
  {
    name: "like",
    on: "liked",
    count: "likes",
    excludes: "dislike",
    tag: "like-button",
    label: "Like",
    icon: "M12 21C5 15 2 12 2 8a5 5 0 0 1 10-1 5 5 0 0 1 10 1c0 4-3 7-10 13z",
  },
  {
    name: "dislike",
    on: "disliked",
    count: "dislikes",
    excludes: "like",
    tag: "dislike-button",
    label: "Dislike",
    icon: "M16 3H7L3 12v2h7l-1 6 2 1 5-7zM20 3v11",
  },
  {
    name: "collect",
    on: "collected",
    count: "collects",
    tag: "collect-button",
    label: "Save",
    icon: "M6 3h12v18l-6-5-6 5z",
  },
]);
