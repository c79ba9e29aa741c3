// A hundred cards. Each is a link as a whole, and its buttons are not.
const subjects = ["The harbour at night", "Bread without a recipe", "A small history of clocks", "Why bridges sing", "Letters home"];
const from = Number(new URL(location.href).searchParams.get("from") ?? 100);

/** @param {string} name @param {{ [property: string]: unknown }} properties @param {...(Node | string)} content */
const make = (name, properties, ...content) => {
  const element = Object.assign(document.createElement(name), properties);
  element.append(...content);
  return element;
};

const cards = Array.from({ length: 100 }, (_, index) => {
  const article = `${from + index}`;
  const title = `${subjects[index % subjects.length]}, part ${Math.floor(index / subjects.length) + 1}`;
  const heard = make("span", { className: "heard" }, title);
  return make(
    "li",
    {},
    make(
      "a",
      { href: `./?article=${article}`, className: "card" },
      make("h2", {}, title),
      make("p", { className: "meta" }, make("reaction-counter", { article }), " · ", make("reaction-counter", { article, show: "pv" })),
    ),
    make("div", { className: "actions" }, make("reaction-button", { article, theme: "plain" }, "Like ", heard)),
  );
});
document.querySelector(".cards")?.append(...cards);
