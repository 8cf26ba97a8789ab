// The texts of the page in English and Russian.

const WORDS = {
  modes: ["Tasks", "Задачи"],
  denoise: ["Denoise", "Убрать шум"],
  cut: ["Cut", "Вырезать паузы"],
  separate: ["Separate", "Разделить голоса"],
  classify: ["Classify", "Классы"],
  language: ["Language", "Язык"],
  keys: ["Keys", "Клавиши"],
  recordings_and_queue: ["Recordings and queue", "Записи и очередь"],
  recordings: ["Recordings", "Записи"],
  choose: ["Choose files", "Выбрать файлы"],
  save_all: ["Save all like this", "Так же для всех"],
  path_hint: ["or a path, then Enter  ( / )", "или путь, затем Enter  ( / )"],
  path_label: ["Path of a recording or folder to open in place", "Путь к записи или папке, открыть на месте"],
  queue: ["Queue", "Очередь"],
  queue_empty: ["Nothing to do yet", "Заданий пока нет"],
  pause: ["Pause", "Пауза"],
  resume: ["Resume", "Продолжить"],
  results_in: ["Results in", "Результаты в папке"],
  gone: [
    "The server has ended. Start `clearmel studio` again: this page reconnects by itself. Finished results are in the output folder.",
    "Сервер остановлен. Запустите `clearmel studio` снова: страница подключится сама. Готовые результаты лежат в папке вывода.",
  ],
  dismiss: ["Dismiss", "Скрыть"],
  playback: ["Playback", "Воспроизведение"],
  what_plays: ["What plays", "Что звучит"],
  play: ["Play", "Играть"],
  stop: ["Pause", "Пауза"],
  before: ["Before", "До"],
  after: ["After", "После"],
  removed: ["Removed", "Удалённое"],
  original: ["Original", "Оригинал"],
  result: ["Result", "Результат"],
  mixture: ["Mixture", "Смесь"],
  voices: ["Voices", "Голоса"],
  voice: ["Voice {0}", "Голос {0}"],
  solo: ["Solo {0}", "Только {0}"],
  mute: ["Mute {0}", "Без {0}"],
  level: ["Output level in dBFS", "Уровень выхода в dBFS"],
  zoom_in: ["Zoom in", "Крупнее"],
  zoom_out: ["Zoom out", "Мельче"],
  all: ["All", "Всё"],
  playhead: ["Playhead", "Позиция"],
  empty: ["Drop a recording here", "Перетащите запись сюда"],
  empty_more: [
    "Any sound file or video, also hours long. Nothing leaves this computer.",
    "Любой звуковой файл или видео, хоть на несколько часов. Ничего не покидает этот компьютер.",
  ],
  drop: ["Drop to open", "Отпустите, чтобы открыть"],
  preset: ["Preset", "Набор"],
  preset_own: ["own settings", "свои настройки"],
  preset_podcast: ["podcast", "подкаст"],
  preset_cafe: ["interview in a cafe", "интервью в кафе"],
  preset_phone: ["phone call", "телефонный звонок"],
  preset_tape: ["old tape", "старая лента"],
  strength: ["Strength", "Сила"],
  limit: ["Limit in dB", "Предел, дБ"],
  no_limit: ["no limit", "нет"],
  model: ["Model", "Модель"],
  keep_music: ["keep music", "сохранить музыку"],
  unlink_channels: ["channels apart", "каналы порознь"],
  loudness: ["Loudness", "Громкость"],
  loudness_keep: ["as it is", "без изменений"],
  loudness_podcast: ["podcast, −16 LUFS", "подкаст, −16 LUFS"],
  loudness_broadcast: ["broadcast, −23 LUFS", "эфир, −23 LUFS"],
  save_denoised: ["Save denoised file", "Сохранить без шума"],
  cut_strength: ["Strength", "Сила"],
  denoise_too: ["denoise, too", "и убрать шум"],
  write: ["Write", "Записать"],
  sound: ["sound", "звук"],
  fps: ["Frames per second", "Кадров в секунду"],
  together: ["Cut alike with", "Вырезать так же в"],
  find_cuts: ["Find cuts", "Найти паузы"],
  by_hand: ["Correct by hand ↗", "Править вручную ↗"],
  use_marks: ["cut as marked by hand", "вырезать по ручной разметке"],
  no_command: ["Marked by hand: no command does the same", "Размечено вручную: такой команды нет"],
  save_cut: ["Save result", "Сохранить результат"],
  passes: ["Passes", "Проходы"],
  save_voices: ["Separate and save", "Разделить и сохранить"],
  separate_note: [
    "Each voice becomes a file with the rate, channels and length of the recording.",
    "Каждый голос становится файлом с частотой, каналами и длиной записи.",
  ],
  classes: ["Classes of", "Классы модели"],
  save_classes: ["Classify and save table", "Определить и сохранить таблицу"],
  command: ["The same from a shell", "То же из командной строки"],
  copy: ["Copy command", "Копировать"],
  copied: ["Copied", "Скопировано"],
  close: ["Close", "Закрыть"],
  close_file: ["Close {0}", "Закрыть {0}"],
  cancel: ["Cancel {0}", "Отменить {0}"],
  remove_row: ["Remove {0} from the list", "Убрать {0} из списка"],
  uploading: ["copying", "копируется"],
  waiting: ["waiting", "ждёт"],
  running: ["running", "идёт"],
  done: ["done", "готово"],
  failed: ["failed", "ошибка"],
  cancelled: ["cancelled", "отменено"],
  paused: ["paused", "пауза"],
  drawing: ["denoising for the picture: {0} %", "шум убирается для картины: {0} %"],
  music_later: [", until then music is denoised, too", ", до этого шум убирается и из музыки"],
  reading: ["reading {0} %", "чтение {0} %"],
  no_draft: ["Press Play: it is denoised while it plays", "Нажмите «Играть»: шум убирается на лету"],
  measured: ["Integrated loudness: before {0}, after {1} LUFS", "Интегральная громкость: до {0}, после {1} LUFS"],
  measured_target: [", saved with {0} LUFS", ", при сохранении {0} LUFS"],
  cut_unknown: ["“Find cuts” shows what would be cut.", "«Найти паузы» покажет, что будет вырезано."],
  cut_found: ["Kept {0} of {1}, {2} cuts", "Остаётся {0} из {1}, вырезов: {2}"],
  unsure: [
    " · The speech lies only {0} dB above the noise: check the cuts, or denoise first",
    " · Речь лишь на {0} дБ громче шума: проверьте вырезы или сначала уберите шум",
  ],
  class_found: ["Most probable: {0}", "Вероятнее всего: {0}"],
  keep: ["keep", "оставить"],
  remove: ["cut", "вырезать"],
  no_voices: ["Voices appear when they are separated", "Голоса появятся после разделения"],
  mono: ["mono", "моно"],
  stereo: ["stereo", "стерео"],
  channels: ["{0} channels", "каналов: {0}"],
  task_denoise: ["Denoise", "Шум"],
  task_find_cuts: ["Find cuts", "Поиск пауз"],
  task_cut: ["Cut", "Вырезка"],
  task_separate: ["Separate", "Голоса"],
  task_classify: ["Classify", "Классы"],
  k_play: ["play, pause", "играть, пауза"],
  k_ears: ["before, after, removed", "до, после, удалённое"],
  k_swap: ["switch between before and after", "переключить до и после"],
  k_move: ["move by 1/100 of the view", "сдвиг на 1/100 вида"],
  k_move_far: ["move by 1/10 of the view", "сдвиг на 1/10 вида"],
  k_loop: ["repeat three seconds, end it", "повторять три секунды, закончить"],
  k_unloop: ["end the repetition", "закончить повтор"],
  k_ends: ["to the start, the end", "в начало, в конец"],
  k_zoom: ["zoom in, out", "крупнее, мельче"],
  k_all: ["show all", "показать всё"],
  k_files: ["next, previous recording", "следующая, предыдущая запись"],
  k_modes: ["task", "задача"],
  k_strength: ["strength down, up", "сила меньше, больше"],
  k_save: ["save the result", "сохранить результат"],
  k_pause: ["pause the queue", "пауза очереди"],
  k_open: ["choose files", "выбрать файлы"],
  k_path: ["open a path", "открыть путь"],
  k_copy: ["copy the command", "копировать команду"],
  k_help: ["this help", "эта справка"],
};

const stored = (() => {
  try {
    return localStorage.getItem("clearmel-language");
  } catch {
    return null; // storage may be forbidden
  }
})();
export let language = stored ?? (navigator.language.startsWith("ru") ? "ru" : "en");

/** A text in the language of the page; {0} and {1} are replaced. */
export function t(key, ...values) {
  const text = WORDS[key][language === "ru" ? 1 : 0];
  return values.reduce((made, value, index) => made.replaceAll(`{${index}}`, value), text);
}

/** Writes all fixed texts of the page: data-t, data-label (with tooltip) and data-placeholder. */
export function translate(chosen = language) {
  language = chosen;
  try {
    localStorage.setItem("clearmel-language", chosen);
  } catch {
    /* the choice lasts as long as the page */
  }
  document.documentElement.lang = chosen;
  for (const one of document.querySelectorAll("[data-t]")) one.textContent = t(one.dataset.t);
  for (const one of document.querySelectorAll("[data-placeholder]")) one.placeholder = t(one.dataset.placeholder);
  for (const one of document.querySelectorAll("[data-label]")) {
    one.setAttribute("aria-label", t(one.dataset.label));
    if (one.matches("button")) one.title = t(one.dataset.label);
  }
}
