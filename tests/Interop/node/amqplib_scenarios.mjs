// amqplib's ways of using a broker, one scenario by name. Arguments: address, scenario. Prints "ok <scenario>" at the end.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import amqp from 'amqplib';

const [url, scenario] = process.argv.slice(2);
const run = randomUUID().slice(0, 8);
const patience = setTimeout(() => {
  console.error(`${scenario} did not end in time`);
  process.exit(1);
}, 30_000);

// Resolves with the next `count` messages of a queue.
function take(channel, queue, count, options = { noAck: true }) {
  return new Promise((resolve, reject) => {
    const messages = [];
    const tag = randomUUID();
    channel.consume(queue, async (message) => {
      messages.push(message);
      if (messages.length === count) {
        await channel.cancel(tag);
        resolve(messages);
      }
    }, { ...options, consumerTag: tag }).catch(reject);
  });
}

const text = (message) => message.content.toString();

const scenarios = {
  async hello(connection) {
    const channel = await connection.createChannel();
    const { queue } = await channel.assertQueue(`node.hello.${run}`, { durable: false });
    channel.sendToQueue(queue, Buffer.from('Hello World!'));
    const [message] = await take(channel, queue, 1);
    assert.equal(text(message), 'Hello World!');
    assert.deepEqual(await channel.deleteQueue(queue), { messageCount: 0 });
  },

  async workQueue(connection) {
    const setup = await connection.createChannel();
    const { queue } = await setup.assertQueue(`node.work.${run}`, { durable: true });
    for (let i = 0; i < 200; i++) setup.sendToQueue(queue, Buffer.from(String(i)), { persistent: true });
    const done = [];
    await new Promise((resolve) => {
      for (let worker = 0; worker < 4; worker++) {
        connection.createChannel().then(async (channel) => {
          await channel.prefetch(5);
          await channel.consume(queue, (message) => {
            if (message === null) return; // cancelled: the queue has been deleted below
            done.push(Number(text(message)));
            channel.ack(message);
            if (done.length === 200) resolve();
          });
        });
      }
    });
    assert.deepEqual(done.sort((a, b) => a - b), [...Array(200).keys()]);
    await setup.deleteQueue(queue);
  },

  async publishSubscribe(connection) {
    const channel = await connection.createChannel();
    const { exchange } = await channel.assertExchange(`node.logs.${run}`, 'fanout', { durable: false });
    const queues = [];
    for (let i = 0; i < 3; i++) {
      const { queue } = await channel.assertQueue('', { exclusive: true });
      await channel.bindQueue(queue, exchange, '');
      queues.push(queue);
    }
    channel.publish(exchange, '', Buffer.from('to all'));
    for (const queue of queues) assert.equal(text((await take(channel, queue, 1))[0]), 'to all');
    await channel.deleteExchange(exchange);
  },

  async topics(connection) {
    const channel = await connection.createChannel();
    const source = `node.source.${run}`;
    const target = `node.target.${run}`;
    await channel.assertExchange(source, 'topic', { durable: false });
    await channel.assertExchange(target, 'topic', { durable: false, autoDelete: true });
    await channel.bindExchange(target, source, 'a.#');
    const { queue } = await channel.assertQueue('', { exclusive: true });
    await channel.bindQueue(queue, target, '*.b');
    for (const key of ['a.b', 'a.c', 'x.b', 'a.b.c']) channel.publish(source, key, Buffer.from(key));
    channel.sendToQueue(queue, Buffer.from('end'));
    assert.deepEqual((await take(channel, queue, 2)).map(text), ['a.b', 'end']);
    await channel.deleteExchange(source);
  },

  async rpc(connection) {
    const server = await connection.createChannel();
    const { queue } = await server.assertQueue(`node.rpc.${run}`, { durable: false, autoDelete: true });
    await server.prefetch(1);
    await server.consume(queue, (message) => {
      server.sendToQueue(message.properties.replyTo, Buffer.from(String(Number(text(message)) ** 2)), { correlationId: message.properties.correlationId });
      server.ack(message);
    });
    const client = await connection.createChannel();
    const { queue: replies } = await client.assertQueue('', { exclusive: true });
    for (let n = 0; n < 20; n++) client.sendToQueue(queue, Buffer.from(String(n)), { correlationId: `c${n}`, replyTo: replies });
    const answers = await take(client, replies, 20);
    for (const answer of answers) assert.equal(Number(text(answer)), Number(answer.properties.correlationId.slice(1)) ** 2);
  },

  async directReplyTo(connection) {
    const server = await connection.createChannel();
    const { queue } = await server.assertQueue(`node.direct.${run}`, { durable: false, autoDelete: true });
    await server.consume(queue, (message) => {
      server.sendToQueue(message.properties.replyTo, Buffer.from(`re: ${text(message)}`), { correlationId: message.properties.correlationId });
    }, { noAck: true });
    const client = await connection.createChannel();
    const answer = take(client, 'amq.rabbitmq.reply-to', 1);
    client.sendToQueue(queue, Buffer.from('question'), { correlationId: 'c', replyTo: 'amq.rabbitmq.reply-to' });
    const [message] = await answer;
    assert.deepEqual([text(message), message.properties.correlationId], ['re: question', 'c']);
  },

  async confirms(connection) {
    const channel = await connection.createConfirmChannel();
    const { queue } = await channel.assertQueue('', { exclusive: true });
    let confirmed = 0;
    for (let i = 0; i < 2000; i++) {
      channel.sendToQueue(queue, Buffer.from(String(i)), { persistent: true }, (error) => {
        assert.equal(error, null);
        confirmed++;
      });
    }
    await channel.waitForConfirms();
    assert.equal(confirmed, 2000);
    assert.equal((await channel.checkQueue(queue)).messageCount, 2000);

    const { queue: full } = await channel.assertQueue('', { exclusive: true, maxLength: 1, arguments: { 'x-overflow': 'reject-publish' } });
    channel.sendToQueue(full, Buffer.from('fits'));
    await channel.waitForConfirms();
    channel.sendToQueue(full, Buffer.from('does not'));
    await assert.rejects(channel.waitForConfirms(), /nack/);
  },

  async mandatory(connection) {
    const channel = await connection.createConfirmChannel();
    const returned = once(channel, 'return');
    channel.publish('', `node.nowhere.${run}`, Buffer.from('back'), { mandatory: true, messageId: 'm' });
    const [message] = await returned;
    assert.deepEqual([text(message), message.fields.replyCode, message.properties.messageId], ['back', 312, 'm']);
    await channel.waitForConfirms();
  },

  async properties(connection) {
    const channel = await connection.createChannel();
    const { queue } = await channel.assertQueue('', { exclusive: true });
    const headers = { text: 'grüße', int: 7, negative: -70000, float: 0.5, flag: true, nothing: null, list: [1, 'two', false], table: { deep: { er: 'x' } } };
    const sent = {
      contentType: 'application/json', contentEncoding: 'utf-8', headers, deliveryMode: 2, priority: 4, correlationId: 'c', replyTo: 'r',
      expiration: '60000', messageId: 'm', timestamp: 1700000000, type: 't', userId: 'guest', appId: 'a',
    };
    channel.sendToQueue(queue, Buffer.from('{}'), sent);
    const [message] = await take(channel, queue, 1);
    for (const name of Object.keys(sent)) assert.deepEqual(message.properties[name], sent[name], name);
  },

  async channelError(connection) {
    const channel = await connection.createChannel();
    const failed = once(channel, 'error');
    await assert.rejects(channel.checkQueue(`node.missing.${run}`), /404/);
    const [error] = await failed;
    assert.equal(error.code, 404);
    const next = await connection.createChannel();
    await next.assertQueue('', { exclusive: true });
    await assert.rejects(amqp.connect(url.replace('guest:guest', 'guest:wrong')), /403/);
  },

  async consumerCancel(connection) {
    const channel = await connection.createChannel();
    const { queue } = await channel.assertQueue(`node.cancel.${run}`, { durable: false });
    const cancelled = new Promise((resolve) => channel.consume(queue, resolve).then(() => connection.createChannel()).then((c) => c.deleteQueue(queue)));
    assert.equal(await cancelled, null);
  },

  async prefetch(connection) {
    const channel = await connection.createChannel();
    const { queue } = await channel.assertQueue('', { exclusive: true });
    for (let i = 0; i < 10; i++) channel.sendToQueue(queue, Buffer.from(String(i)));
    await channel.prefetch(3);
    const held = [];
    const three = new Promise((resolve) => channel.consume(queue, (message) => {
      held.push(message);
      if (held.length === 3) resolve();
    }));
    await three;
    while ((await channel.checkQueue(queue)).messageCount !== 7);
    assert.equal(held.length, 3);
    channel.nackAll(true);
    while (held.length < 6) await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(held.map(text), ['0', '1', '2', '0', '1', '2']);
    assert.ok(held[3].fields.redelivered);
  },

  async largeMessages(connection) {
    const channel = await connection.createConfirmChannel();
    const { queue } = await channel.assertQueue('', { exclusive: true });
    for (const size of [0, 1, 131_064, 131_065, 5_000_000]) {
      const body = Buffer.alloc(size, size % 251);
      channel.sendToQueue(queue, body);
      await channel.waitForConfirms();
      const message = await channel.get(queue, { noAck: true });
      assert.ok(message.content.equals(body), `a body of ${size} bytes`);
    }
  },
};

const connection = await amqp.connect(url);
await scenarios[scenario](connection);
await connection.close();
clearTimeout(patience);
console.log(`ok ${scenario}`);
