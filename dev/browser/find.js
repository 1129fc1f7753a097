// Finds what a person means by a name: the link, button or field that is called
// so, in the dialog that is open or else on the page. It answers with where it
// is, or why it cannot be used.
({ kind, name, within }) => {
  const kinds = {
    press: 'a[href], button, input[type=submit], summary, [role=tab]',
    field: 'input:not([type=hidden], [type=radio], [type=checkbox], [type=submit]), textarea, select',
    choice: 'input[type=radio], input[type=checkbox]',
  };
  const squeeze = (text) => (text ?? '').replace(/\s+/g, ' ').trim();
  const textOf = (el) => squeeze(el.innerText ?? el.textContent);
  const shown = (el) => el.getClientRects().length > 0 && el.checkVisibility({ visibilityProperty: true });
  const called = (el) => {
    if (el.ariaLabel) return squeeze(el.ariaLabel);
    const by = (el.getAttribute('aria-labelledby') ?? '').split(' ').map((id) => document.getElementById(id)).filter(Boolean);
    if (by.length) return by.map(textOf).join(' ');
    if (el.labels?.length) return textOf(el.labels[0]);
    return el.matches('input') ? squeeze(el.value) : textOf(el);
  };
  const target = (el) => (kind === 'choice' && el.labels?.length ? el.labels[0] : el);

  let root = [...document.querySelectorAll('dialog[open]')].at(-1) ?? document;
  if (within) {
    const places = [...root.querySelectorAll('tr, li, section, fieldset, form, article, details, dl > div, .card')]
      .filter((el) => shown(el) && textOf(el).includes(within))
      .sort((a, b) => a.textContent.length - b.textContent.length);
    if (!places.length) return { reason: `there is nothing with “${within}”` };
    root = places[0];
  }
  const all = [...root.querySelectorAll(kinds[kind])].filter((el) => shown(target(el))).map((el) => ({ el, name: called(el) }));
  let found = [];
  for (const fits of [(n) => n === name, (n) => n.startsWith(name), (n) => n.includes(name)]) {
    found = all.filter((one) => fits(one.name));
    if (found.length) break;
  }
  if (!found.length) return { reason: `nothing is called “${name}”, only: ${all.map((one) => one.name).join(' | ')}` };
  // What stands in the menu as well as on the page is meant on the page.
  const main = found.filter((one) => one.el.closest('main, dialog'));
  if (main.length) found = main;
  const same = found.every((one) => one.el.href && one.el.href === found[0].el.href);
  if (found.length > 1 && !same) return { reason: `${found.length} are called “${name}”` };

  const { el } = found[0];
  if (el.disabled) return { reason: `“${name}” is disabled` };
  const on = target(el);
  on.scrollIntoView({ block: 'center', behavior: 'instant' });
  const [box] = on.getClientRects();
  const x = box.x + box.width / 2;
  const y = box.y + box.height / 2;
  const hit = document.elementFromPoint(x, y);
  if (!on.contains(hit)) return { reason: `“${name}” is covered by ${hit?.outerHTML.slice(0, 100)}` };
  // What follows is known by these: a page that is left takes them along.
  window.auditferryPressed = el;
  return {
    x, y, value: el.value ?? '', checked: el.checked ?? false,
    type: el.matches('select') ? 'select' : el.type ?? '',
    leads: el.matches('a[href]') && !el.hasAttribute('download') && !el.getAttribute('href').startsWith('#'),
    dialog: el.matches('[data-dialog]'), close: el.matches('[data-close]'),
    submits: Boolean(el.form && el.type === 'submit'),
  };
}
