// What the pages do where scripts run. All of them are complete without.
'use strict';

const partsType = 'application/vnd.auditferry.parts+json';
const find = (selector, root = document) => [...root.querySelectorAll(selector)];

/* Times: in the browser's zone. The cookie has the next page written so. */

const zone = Intl.DateTimeFormat().resolvedOptions().timeZone || 'UTC';
const cookieOf = (name) => document.cookie.split('; ').find((pair) => pair.startsWith(name + '='))?.slice(name.length + 1);

function keepZone() {
  if (cookieOf('auditferry-zone') === encodeURIComponent(zone)) return;
  document.cookie = `auditferry-zone=${encodeURIComponent(zone)}; Path=/; Max-Age=31536000; SameSite=Lax`;
  if (cookieOf('auditferry-zone') && document.querySelector('time')) location.reload();
}

/* Announcing, to those who hear the page */

const voice = document.createElement('p');
voice.className = 'unseen';
voice.setAttribute('role', 'status');

function say(text) {
  const place = document.querySelector('dialog[open]') ?? document.body; // what a dialog covers is not heard
  if (voice.parentNode !== place) place.append(voice);
  voice.textContent = '';
  setTimeout(() => { voice.textContent = text; }, 50); // the same text again is news, too
}

/* Copying */

document.addEventListener('click', async (event) => {
  const button = event.target.closest('[data-copy], [data-copy-from]');
  if (!button) return;
  const text = button.dataset.copy ?? document.getElementById(button.dataset.copyFrom).textContent;
  button.dataset.label ??= button.textContent;
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = 'Copied';
  } catch {
    button.textContent = 'Not allowed';
  }
  say(button.textContent);
  setTimeout(() => { button.textContent = button.dataset.label; }, 1500);
});

/* Menus close like menus */

document.addEventListener('click', (event) => {
  for (const menu of find('details.menu[open]')) if (!menu.contains(event.target)) menu.open = false;
});
document.addEventListener('keydown', (event) => {
  if (event.key !== 'Escape') return;
  const menu = document.activeElement?.closest('details.menu[open]');
  if (menu) {
    menu.open = false;
    menu.querySelector('summary').focus();
  }
});

/* Live parts: the page is asked for what it shows by now. */

const shown = new Map();
let tag = '';
let timer = 0;
let failures = 0;
let fresh = new Date();

// One failure may be a moment's; from the second on the person is told.
function tellAge() {
  const place = document.querySelector('.stale');
  const at = fresh.toLocaleTimeString('en-GB', { hour: '2-digit', minute: '2-digit' });
  const text = failures < 2 ? '' : `Not up to date since ${at}. It is tried again.`;
  if (place && place.textContent !== text) place.textContent = text;
}

const nameOf = (thing) => thing && [thing.tagName, thing.id, thing.getAttribute('href'), thing.ariaLabel, thing.textContent].join();

// What is unfolded stays so, and the keyboard stays where it is.
function replace(place, content) {
  const open = new Set(find('details[open][id]', place).map((details) => details.id));
  const focused = place.contains(document.activeElement) ? nameOf(document.activeElement) : null;
  place.replaceChildren(content);
  for (const details of find('details[id]', place)) if (open.has(details.id)) details.open = true;
  if (focused) find('a, button, summary, [tabindex]', place).find((thing) => nameOf(thing) === focused)?.focus({ preventScroll: true });
  enhance(place);
}

function put(name, html) {
  const place = document.querySelector(`[data-part="${CSS.escape(name)}"]`);
  if (!place || shown.get(name) === html) return;
  shown.set(name, html);
  const next = document.createElement('template');
  next.innerHTML = html;
  if (next.innerHTML !== place.innerHTML) replace(place, next.content);
}

async function refresh() {
  clearTimeout(timer);
  if (document.hidden) return;
  let again = 5;
  try {
    const answer = await fetch(document.body.dataset.live, { headers: { Accept: partsType, ...(tag && { 'If-None-Match': tag }) }, cache: 'no-store' });
    // Nobody loses what they are typing: what they send tells them.
    if ((answer.status === 401 || answer.status === 404) && !document.querySelector('dialog')) return location.reload();
    if (answer.status === 200) {
      tag = answer.headers.get('ETag') ?? '';
      const parts = await answer.json();
      again = parts.again;
      for (const [name, html] of Object.entries(parts.parts)) put(name, html);
    } else if (answer.status === 304) {
      again = refresh.last ?? again;
    } else {
      throw new Error(`answered with ${answer.status}`);
    }
    refresh.last = again;
    failures = 0;
    fresh = new Date();
  } catch {
    failures += 1;
    again = Math.min(60, again * 2 ** failures);
  }
  tellAge();
  timer = setTimeout(refresh, again * 1000);
}

/* Dialogs: a page with a form opens over the page that leads to it. */

const pageOf = async (answer) => new DOMParser().parseFromString(await answer.text(), 'text/html');

function fill(dialog, page, what = '[data-form]') {
  const form = page.querySelector(`main ${what}`);
  if (!form) return false;
  form.querySelector('h1').id = 'dialog-title';
  dialog.setAttribute('aria-labelledby', 'dialog-title');
  replace(dialog, document.adoptNode(form));
  (form.querySelector('[aria-invalid=true]') ?? form.querySelector('input:not([type=hidden]), select, textarea, button'))?.focus();
  return true;
}

async function openDialog(url) {
  if (document.querySelector('dialog')) return; // a double click
  const dialog = document.createElement('dialog');
  document.body.append(dialog);
  dialog.addEventListener('close', () => {
    const then = dialog.querySelector('[data-then]')?.dataset.then; // the page below does not know yet what was done
    dialog.remove();
    if (then) location.assign(then);
  });
  dialog.addEventListener('click', (event) => {
    if (event.target.closest('[data-close]')) {
      event.preventDefault();
      dialog.close();
    }
  });
  dialog.addEventListener('submit', (event) => {
    event.preventDefault();
    send(dialog, event.target, event.submitter);
  });
  const answer = await fetch(url, { headers: { Accept: 'text/html' } });
  if (answer.redirected || !answer.ok || !fill(dialog, await pageOf(answer))) return location.assign(url);
  dialog.showModal();
}

const unreachable = 'Nothing has come back. Check your connection, and press the button again: it acts once, however often it is sent.';

const line = (tag, text) => Object.assign(document.createElement(tag), { textContent: text });

// What was typed stays below what went wrong, to be sent again.
function complain(form, lines) {
  const note = document.createElement('div');
  Object.assign(note, { className: 'note bad', role: 'alert' });
  note.dataset.problem = '';
  note.replaceChildren(...lines);
  form.closest('dialog').querySelector('h1').after(note);
}

async function send(dialog, form, submitter) {
  const body = new URLSearchParams(new FormData(form, submitter));
  if (submitter) submitter.disabled = true;
  dialog.querySelector('[data-problem]')?.remove();
  try {
    const answer = await fetch(submitter?.getAttribute('formaction') ?? form.action, { method: 'POST', body, headers: { Accept: 'text/html' } });
    if (answer.redirected) return location.assign(answer.url);
    const page = await pageOf(answer);
    if (fill(dialog, page) || fill(dialog, page, '.notice:has(form)')) return; // which holds what was typed
    const notice = page.querySelector('main .notice');
    complain(form, [line('strong', notice.querySelector('h1').textContent), ...find('p', notice)]);
  } catch {
    complain(form, [line('p', unreachable)]);
  }
  if (submitter) submitter.disabled = false;
}

document.addEventListener('click', (event) => {
  const link = event.target.closest('a[data-dialog]');
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
  event.preventDefault();
  openDialog(link.href).catch(() => location.assign(link.href));
});

/* Tabs: sections under one another become tabs. */

function makeTabs(box) {
  const panels = find(':scope > section', box);
  const list = document.createElement('div');
  list.setAttribute('role', 'tablist');
  list.setAttribute('aria-label', box.dataset.tabs);
  const tabs = panels.map((panel, n) => {
    const title = panel.querySelector('h2, h3');
    const tab = document.createElement('button');
    Object.assign(tab, { type: 'button', id: `${panel.id}-tab`, textContent: title.textContent });
    tab.setAttribute('role', 'tab');
    tab.setAttribute('aria-controls', panel.id);
    panel.setAttribute('role', 'tabpanel');
    panel.setAttribute('aria-labelledby', tab.id);
    title.classList.add('unseen');
    tab.addEventListener('click', () => select(n));
    list.append(tab);
    return tab;
  });
  const select = (chosen, focus) => tabs.forEach((tab, n) => {
    const is = n === chosen;
    tab.setAttribute('aria-selected', is);
    tab.tabIndex = is ? 0 : -1;
    panels[n].hidden = !is;
    if (is && focus) tab.focus();
  });
  list.addEventListener('keydown', (event) => {
    const at = tabs.indexOf(document.activeElement);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: tabs.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    select((to + tabs.length) % tabs.length, true);
  });
  box.prepend(list);
  select(0);
}

/* What a new piece of page needs */

function enhance(root) {
  for (const box of find('[data-tabs]:not([data-ready])', root)) {
    box.dataset.ready = '';
    makeTabs(box);
  }
  // A button that cannot be undone waits until the name is typed.
  for (const input of find('input[data-confirm]', root)) {
    const button = input.form.querySelector('[data-confirmed]');
    const check = () => { button.disabled = input.value.trim() !== input.dataset.confirm; };
    input.addEventListener('input', check);
    check();
  }
  // A preview follows what is typed.
  for (const box of find('[data-preview]', root)) {
    const form = box.closest('form');
    let wait = 0;
    let asked = new AbortController();
    const ask = async () => {
      asked.abort(); // an older answer must not come after a newer one
      asked = new AbortController();
      const body = new URLSearchParams(new FormData(form));
      body.set('preview', '1');
      const answer = await fetch(form.action, { method: 'POST', body, headers: { Accept: 'text/html' }, signal: asked.signal });
      const next = (await pageOf(answer)).querySelector('[data-preview]');
      if (next && !answer.redirected) box.replaceChildren(...next.childNodes);
    };
    form.addEventListener('input', () => {
      clearTimeout(wait);
      wait = setTimeout(() => ask().catch(() => {}), 400);
    });
  }
}

keepZone();
document.body.append(voice);
enhance(document);
// On a phone the menu is a row that scrolls.
const here = document.querySelector('.sections [aria-current]');
if (here) here.closest('nav').scrollLeft = here.offsetLeft - (innerWidth - here.offsetWidth) / 2;
if (document.body.dataset.live) {
  document.addEventListener('visibilitychange', refresh);
  timer = setTimeout(refresh, 2000);
}
