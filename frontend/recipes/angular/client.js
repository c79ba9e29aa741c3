// Angular: the schema allows elements that are no components. Without Angular's own compiler step, so without decorators.
import "@angular/compiler";
import { Component, CUSTOM_ELEMENTS_SCHEMA, provideZonelessChangeDetection, signal } from "@angular/core";
import { bootstrapApplication } from "@angular/platform-browser";
import { configure, define } from "interaction-web";

const { article, base, token } = /** @type {any} */ (window).test;
define();
configure({ base, token: () => token });

class Page {
  article = signal(article);
  heard = signal("");

  /** @param {CustomEvent} event */
  changed({ detail }) {
    this.heard.set(`${detail.kind} ${detail.on}`);
  }
}

const page = Component({
  selector: "#app",
  schemas: [CUSTOM_ELEMENTS_SCHEMA],
  template: `
    <reaction-counter [article]="article()" show="likes" [track]="false">likes</reaction-counter>
    <reaction-button [article]="article()" kind="like" [disabled]="false" (interaction-change)="changed($event)">Like</reaction-button>
    <output>{{ heard() }}</output>`,
})(Page);
bootstrapApplication(page ?? Page, { providers: [provideZonelessChangeDetection()] });
