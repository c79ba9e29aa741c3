import * as Turbo from "@hotwired/turbo";
import { configure, define } from "interaction-web";

Turbo.start();
const { base, token } = /** @type {any} */ (window).test;
define();
configure({ base, token: () => token });
