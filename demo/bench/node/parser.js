// A straightforward reader of LDT 2 and LDT 3: line by line, one field each. It trusts the sums and the structure: it compares neither, and
// has no idea of objects but for where a result and its normal values begin and end.
'use strict';

const iconv = require('iconv-lite');

// Field 9106; LDT 3 has none and is ISO 8859-15.
const CHARSETS = { 2: 'cp437', 3: 'latin1', 4: 'iso-8859-15' };

function charset(bytes) {
  const at = bytes.indexOf('0109106');
  return (at >= 0 && CHARSETS[String.fromCharCode(bytes[at + 7])]) || 'iso-8859-15';
}

// Where a field goes: of the record, or of the test that is open.
const RECORD = { 8310: 'orderNumber', 8311: 'labOrderNumber', 8302: 'reported', 3101: 'familyName', 3103: 'birthDate', 8401: 'status' };
const TEST = { 8411: 'name', 8420: 'value', 8480: 'value', 8421: 'unit', 8461: 'low', 8462: 'high', 8422: 'flag' };

function parse(bytes) {
  const text = iconv.decode(bytes, charset(bytes));
  const message = { laboratory: '', recipient: '', reports: [] };
  let report = null;
  let test = null;
  let ofPatient = true;
  for (const line of text.split('\r\n')) {
    if (line === '') continue;
    const id = line.slice(3, 7);
    const content = line.slice(7);
    if (Number(line.slice(0, 3)) !== line.length + 2 || !/^\d{4}$/.test(id)) throw new Error('a line has another length than it says');
    if (id === '8000') {
      report = null;
      test = null;
      if (/^820[1-5]$/.test(content)) {
        report = { givenName: '', sex: '', tests: [], base64: [] };
        message.reports.push(report);
      }
    } else if (report === null) {
      if (id === '8320' || id === '1250') message.laboratory ||= content;
      if (id === '0201') message.recipient ||= content;
    } else if (id === '8410') {
      test = { code: content };
      report.tests.push(test);
    } else if (id === '6329') {
      report.base64.push(content);
    } else if (id === '8122' || id === '8145') {
      // LDT 3 names the doctor with the same fields.
      ofPatient = id === '8145';
    } else if (/^3/.test(id) && !ofPatient) {
      continue;
    } else if (id === '3102') {
      report.givenName ||= content;
    } else if (id === '3110') {
      report.sex ||= content;
    } else if (test !== null && TEST[id] !== undefined) {
      test[TEST[id]] ??= content;
    } else if (RECORD[id] !== undefined) {
      report[RECORD[id]] ??= content;
    }
  }
  if (message.reports.length === 0) throw new Error('no report');
  for (const each of message.reports) each.document = each.base64.length ? Buffer.from(each.base64.join(''), 'base64') : null;
  return message;
}

module.exports = { parse };
