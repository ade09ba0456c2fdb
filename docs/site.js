// The first groups of guides are open until a reader closes them: TypeDoc begins with all of them closed.
for (const group of ['Start here', 'Results and laws']) {
  const key = `tsd-accordion-${group}`;
  if (localStorage.getItem(key) === null) localStorage.setItem(key, 'true');
}
