/* Every word of the page, English and Chinese. Reasons are kept in English whatever is shown. */
(function () {
  "use strict";
  window.deskWords = {
    title: ["Review desk", "审阅台"],
    restricted: ["Identifiable: stays in the restricted zone", "含身份信息：仅限受控区内使用"],
    reviewer: ["Your code", "审阅者代码"],
    save: ["Download decisions", "下载决定"],
    language: ["Language", "语言"],
    cases: ["What is held", "待审列表"],
    picture: ["Picture", "图像"],
    view: ["View", "视图"],
    window: ["Grey scale", "灰阶"],
    decision: ["Decision", "决定"],
    slice: ["Slice", "单层"],
    minimum: ["Darkest of all", "全部层面最小值"],
    maximum: ["Brightest of all", "全部层面最大值"],
    w_whole: ["All", "全部"],
    w_dark: ["Dark", "暗部"],
    w_bright: ["Bright", "亮部"],
    place: ["The same place on every slice", "各层面的同一位置"],
    accept: ["Accept", "接受"],
    again: ["Try again", "重新尝试"],
    reject: ["Reject", "拒绝"],
    mask: ["Mask", "遮盖"],
    masked_before: [
      "It was masked, and text was still read beside the mask: add a rectangle, or confirm that the rest names nobody.",
      "已遮盖，但遮盖区外仍读到文字：请增加方框，或确认其余内容未指向任何人。"
    ],
    boxes: ["Masked on every slice: x, y, width, height", "在所有层面遮盖：x、y、宽、高"],
    box_keys: [
      "Draw or drag with the mouse. Keys: arrows move, Shift and arrows size (Ctrl: one pixel), b new, o next, x removes, Page Up and Down go through slices.",
      "可用鼠标绘制或拖动。按键：方向键移动，Shift+方向键调整大小（加Ctrl为1像素），b新建，o下一个，x删除，PgUp/PgDn翻层。"
    ],
    box: ["Box {n}", "方框{n}"],
    why: ["Reason", "理由"],
    why_other: ["In your words: no name, no number of a person", "请自行填写：不得含姓名或个人编号"],
    rule: ["Also what this scanner writes in this place", "同一设备在此位置写入的内容同样处理"],
    until: ["until", "截止"],
    rule_note: [
      "Only when the scanner writes the same for everybody, or when you mask it.",
      "仅当设备对所有人写入相同内容，或选择遮盖时使用。"
    ],
    confirm: ["Decide, next", "确认并下一个"],
    undo: ["Take back", "撤回"],
    k_case: ["case", "病例"],
    k_slice: ["slice", "层面"],
    k_view: ["view", "视图"],
    k_window: ["grey scale", "灰阶"],
    footer: [
      "Nothing leaves this page but the file that you download; take it in with: livercohort quarantine import FILE",
      "除您下载的文件外，本页不发送任何内容；导入命令：livercohort quarantine import FILE"
    ],
    progress: ["{done} of {all} decided", "已决定{done}/{all}"],
    case_of: ["case {n} of {all}", "第{n}例，共{all}例"],
    position: ["slice {n} of {all}", "第{n}层，共{all}层"],
    position_part: ["slice {n} of {all} drawn, {total} in the series", "第{n}层，共绘制{all}层（序列{total}层）"],
    nothing: ["There is no picture to look at: decide by what is said beside.", "没有可查看的图像：请根据右侧说明决定。"],
    unread: ["The pictures of this series cannot be read.", "该序列的图像无法读取。"],
    no_cases: ["Nothing waits for a decision.", "没有待决定的内容。"],
    told_outcome: ["Choose first: 1, 2 or 3.", "请先选择：1、2或3。"],
    told_box: ["Draw what is to be masked.", "请先绘制遮盖区域。"],
    told_why: ["Say why.", "请填写理由。"],
    told_until: ["A rule needs a last day.", "规则需要截止日期。"],
    told_reviewer: ["Your code: capital letters and digits, e.g. QC01.", "审阅者代码：大写字母和数字，例如QC01。"],
    told_none: ["Nothing is decided yet.", "尚未作出决定。"],
    told_saved: ["Downloaded. Now: livercohort quarantine import FILE", "已下载。下一步：livercohort quarantine import FILE"],
    told_all: ["All are decided: download.", "全部已决定：请下载。"],
    f_site: ["Site", "中心"],
    f_subject: ["Subject", "受试者"],
    f_kind: ["Object", "对象"],
    f_files: ["Files", "文件数"],
    f_id: ["Id", "编号"],
    group_look: ["Look at the picture", "查看图像"],
    group_face: ["A face in view", "视野含面部"],
    group_person: ["Whose picture is it", "图像归属"],
    group_retry: ["Try again when mended", "原因排除后重试"],
    group_site: ["The site sends it anew", "由中心重新交付"],
    group_never: ["Never in the cohort", "不进入队列"],
    state_accept: ["accept", "接受"],
    state_reject: ["reject", "拒绝"],
    state_mask: ["mask", "遮盖"],
    alt_canvas: ["{view}, boxes drawn over it", "{view}，叠加方框"],
    alt_strip: ["The same place cut out of {n} slices", "从{n}个层面截取的同一位置"],
    because: ["Reasons", "理由"]
  };
  /* Ready reasons: what is kept, and how it shows. */
  window.deskReasons = {
    accept: [
      ["marks of the scanner only, nobody is named", "仅为设备标记，未指向任何人"],
      ["no text in the picture", "图中没有文字"],
      ["no face can be made out", "无法辨认面部"],
      ["both subjects may keep the images", "两名受试者均可保留图像"]
    ],
    again: [["the cause is mended", "原因已排除"]],
    reject: [
      ["text over the anatomy", "文字覆盖解剖结构"],
      ["a screen or a paper, no image of the scanner", "屏幕或纸张，非扫描图像"],
      ["not of this subject", "不属于该受试者"],
      ["not needed", "不需要"]
    ],
    mask: [
      ["a name or number is masked", "已遮盖姓名或编号"],
      ["a face is masked", "已遮盖面部"]
    ],
    other: ["other …", "其他……"]
  };
})();
