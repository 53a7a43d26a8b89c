// MQTT.js, meeting a broker: one list of cases, for Node.js and for a page in a browser.

const PATIENCE_MS = 60000

// Runs the cases with the library `mqtt`; `level` is 5 (MQTT 5.0) or 4 (3.1.1), `options` are the library's. Tells the
// name of each case that has held; rejects with the first that has not.
export async function meet(mqtt, url, level, options, tell) {
  const run = `mqttjs${level}${url.split(':')[0]}${Math.random().toString(16).slice(2)}`

  // A client whose messages wait to be received.
  class Peer {
    static async connect(name, extra = {}) {
      const peer = new Peer()
      peer.messages = []
      peer.waiting = []
      peer.client = mqtt.connect(url, {
        clientId: run + name, protocolVersion: level, clean: true, reconnectPeriod: 0, ...options, ...extra
      })
      peer.client.on('message', (topic, payload, packet) => {
        const { qos, retain, dup, properties } = packet
        const message = { topic, text: new TextDecoder().decode(payload), qos, retain, dup, properties, packet }
        const receiver = peer.waiting.shift()
        if (receiver) receiver(message)
        else peer.messages.push(message)
      })
      peer.connack = await within(`CONNACK for ${name}`, (resolve, reject) => {
        peer.client.once('connect', resolve)
        peer.client.on('error', reject)
      })
      return peer
    }

    receive() {
      if (this.messages.length) return this.messages.shift()
      return within('a message', (resolve) => this.waiting.push(resolve))
    }

    // Gives the reason code, which is the granted QoS.
    async subscribe(topic, qos, { properties, ...others } = {}) {
      const suback = await within('SUBACK', (resolve, reject) => {
        this.client.subscribe({ [topic]: { qos, ...others } }, properties ? { properties } : {},
          (error, _, packet) => error ? reject(error) : resolve(packet))
      })
      return suback.granted[0]
    }

    publish(topic, payload, extra = {}) {
      return within('an acknowledgement', (resolve, reject) => {
        this.client.publish(topic, payload, extra, (error) => error ? reject(error) : resolve())
      })
    }

    // That none of the others' messages comes before one that is published after them.
    async hearsNothingBefore(topic, others) {
      await this.publish(topic, 'fence', { qos: 1 })
      equal((await this.receive()).text, 'fence', others)
    }

    end() {
      return within('the end', (resolve) => this.client.end(false, {}, resolve))
    }
  }

  const lasting = { clean: false, ...(level === 5 && { properties: { sessionExpiryInterval: 1000 } }) }

  const cases = {
    async messagesOfEveryQosArrive() {
      const topic = `${run}/qos`
      const [subscriber, publisher] = [await Peer.connect('subscriber'), await Peer.connect('publisher')]
      for (const granted of [0, 1, 2]) {
        equal(await subscriber.subscribe(topic, granted), granted)
        for (const qos of [0, 1, 2]) {
          await publisher.publish(topic, `${granted}${qos}`, { qos })
          const heard = await subscriber.receive()
          equal([heard.topic, heard.text], [topic, `${granted}${qos}`])
          equal([heard.qos, heard.retain, heard.dup], [Math.min(granted, qos), false, false])
        }
      }
      await Promise.all([subscriber.end(), publisher.end()])
    },

    async aLargeAndAnEmptyMessageArriveWhole() {
      const peer = await Peer.connect('large')
      await peer.subscribe(`${run}/large`, 2)
      for (const payload of ['wörld'.repeat(80000), '']) {
        await peer.publish(`${run}/large`, payload, { qos: 2 })
        equal((await peer.receive()).text === payload, true)
      }
      await peer.end()
    },

    async manyMessagesArriveOnceAndInOrder() {
      const [reader, writer] = [await Peer.connect('reader'), await Peer.connect('writer')]
      await reader.subscribe(`${run}/many`, 2)
      const numbers = Array.from({ length: 500 }, (_, number) => String(number))
      const published = numbers.map((number) => writer.publish(`${run}/many`, number, { qos: 2 }))
      for (const number of numbers) equal((await reader.receive()).text, number)
      await Promise.all(published)
      await Promise.all([reader.end(), writer.end()])
    },

    async aRetainedMessageWaitsUntilItIsCleared() {
      const topic = `${run}/retained`
      const keeper = await Peer.connect('keeper')
      for (const payload of ['kept', '']) {
        await keeper.publish(topic, payload, { qos: 1, retain: true })
        const late = await Peer.connect('late')
        await late.subscribe(topic, 1)
        if (payload) {
          const { text, retain } = await late.receive()
          equal([text, retain], [payload, true])
        } else {
          await late.hearsNothingBefore(topic, 'a cleared message')
        }
        await late.end()
      }
      await keeper.end()
    },

    async theWillOfAClientThatIsLostIsPublished() {
      const will = { topic: `${run}/will`, payload: 'gone', qos: 1, retain: false }
      if (level === 5) will.properties = { contentType: 'text/plain', userProperties: { b: ['2', '1'] } }
      const watcher = await Peer.connect('watcher')
      await watcher.subscribe(will.topic, 1)
      const leaver = await Peer.connect('leaver', { will })
      await leaver.end()
      await watcher.hearsNothingBefore(will.topic, 'the will of one who took leave')
      const lost = await Peer.connect('lost', { will })
      lost.client.stream.destroy()
      const heard = await watcher.receive()
      equal([heard.text, heard.qos, heard.retain], ['gone', 1, false])
      if (level === 5) {
        equal([heard.properties.contentType, { ...heard.properties.userProperties }], ['text/plain', { b: ['2', '1'] }])
      }
      await watcher.end()
    },

    async aSessionWaitsForItsClient() {
      const topic = `${run}/session`
      const before = await Peer.connect('away', lasting)
      equal(before.connack.sessionPresent, false)
      await before.subscribe(topic, 2)
      await before.end()
      const sender = await Peer.connect('sender')
      for (const qos of [1, 2]) await sender.publish(topic, `at ${qos}`, { qos })
      await sender.end()
      const after = await Peer.connect('away', lasting)
      equal(after.connack.sessionPresent, true)
      for (const qos of [1, 2]) {
        const heard = await after.receive()
        equal([heard.text, heard.qos], [`at ${qos}`, qos])
      }
      await after.end()
      const fresh = await Peer.connect('away')
      equal(fresh.connack.sessionPresent, false)
      await fresh.end()
    },

    async wildcardsMatchAndUnsubscribingEndsIt() {
      const wild = await Peer.connect('wild')
      await wild.subscribe(`${run}/+/end/#`, 1)
      for (const topic of [`${run}/a/end`, `${run}/a/end/b/c`]) {
        await wild.publish(topic, 'it', { qos: 1 })
        equal((await wild.receive()).topic, topic)
      }
      await wild.publish(`${run}/a/b/end`, 'no match', { qos: 1 })
      await wild.hearsNothingBefore(`${run}/x/end`, 'another topic')
      await within('UNSUBACK', (resolve, reject) => {
        wild.client.unsubscribe(`${run}/+/end/#`, {}, (error) => error ? reject(error) : resolve())
      })
      await wild.publish(`${run}/a/end`, 'unheard', { qos: 1 })
      await wild.subscribe(`${run}/fence`, 1)
      await wild.hearsNothingBefore(`${run}/fence`, 'what is no longer subscribed to')
      await wild.end()
    }
  }

  const casesOf5 = {
    async everyPropertyOfAMessagePassesThrough() {
      const peer = await Peer.connect('properties')
      await peer.subscribe(`${run}/properties`, 1)
      const properties = {
        payloadFormatIndicator: true,
        contentType: 'text/plain',
        responseTopic: `${run}/answer`,
        userProperties: { b: ['2', '1'], a: '3' }
      }
      const correlationData = new Uint8Array([0, 1, 255])
      await peer.publish(`${run}/properties`, 'wörld',
        { qos: 1, properties: { ...properties, correlationData, messageExpiryInterval: 1000 } })
      const heard = (await peer.receive()).properties
      for (const [name, value] of Object.entries(properties)) {
        equal(name === 'userProperties' ? { ...heard[name] } : heard[name], value)
      }
      equal([...heard.correlationData], [0, 1, 255])
      // Whole seconds are left, and a busy machine may have spent a few.
      equal(heard.messageExpiryInterval > 900 && heard.messageExpiryInterval <= 1000, true)
      await peer.end()
    },

    async aliasesStandForTopicsBothWays() {
      const peer = await Peer.connect('alias', { autoAssignTopicAlias: true, properties: { topicAliasMaximum: 5 } })
      equal(peer.connack.properties.topicAliasMaximum > 0, true)
      await peer.subscribe(`${run}/alias`, 1)
      const onTheWire = []
      for (const text of ['first', 'second']) {
        await peer.publish(`${run}/alias`, text, { qos: 1 })
        const heard = await peer.receive()
        equal([heard.topic, heard.text], [`${run}/alias`, text])
        onTheWire.push(heard.packet.properties.topicAlias)
      }
      equal(onTheWire.every((alias) => alias > 0), true, 'the broker has sent no alias')
      await peer.end()
    },

    async subscriptionIdentifiersTellWhichMatched() {
      const peer = await Peer.connect('identifiers')
      await peer.subscribe(`${run}/id/+`, 1, { properties: { subscriptionIdentifier: 7 } })
      await peer.subscribe(`${run}/id/#`, 1, { properties: { subscriptionIdentifier: 268435455 } })
      await peer.publish(`${run}/id/a`, 'both', { qos: 1 })
      equal((await peer.receive()).properties.subscriptionIdentifier.sort(), [268435455, 7])
      await peer.end()
    },

    async subscriptionOptionsAreObeyed() {
      const topic = `${run}/options`
      const [peer, other] = [await Peer.connect('options'), await Peer.connect('other')]
      await other.publish(topic, 'kept', { qos: 1, retain: true })
      await peer.subscribe(topic, 1, { nl: true, rh: 2 })
      await peer.publish(topic, 'my own', { qos: 1 })
      await other.publish(topic, 'live', { qos: 1, retain: true })
      const live = await peer.receive()
      equal([live.text, live.retain], ['live', false])
      await peer.subscribe(topic, 1, { rap: true, rh: 1 })
      await other.publish(topic, '', { qos: 1, retain: true })
      const cleared = await peer.receive()
      equal([cleared.text, cleared.retain], ['', true])
      await Promise.all([peer.end(), other.end()])
    },

    async aSharedSubscriptionGivesEachMessageToOne() {
      const workers = [await Peer.connect('ann'), await Peer.connect('ben')]
      const boss = await Peer.connect('boss')
      for (const worker of workers) {
        await worker.subscribe(`$share/workers/${run}/work/#`, 1)
        await worker.subscribe(`${run}/end`, 1)
      }
      for (let number = 0; number < 20; number += 1) await boss.publish(`${run}/work/${number}`, `${number}`, { qos: 1 })
      await boss.publish(`${run}/end`, 'end', { qos: 1 })
      const done = []
      for (const worker of workers) {
        const before = done.length
        for (let heard = await worker.receive(); heard.text !== 'end'; heard = await worker.receive()) {
          done.push(Number(heard.text))
        }
        equal(done.length > before, true, 'one has done all the work')
      }
      equal(done.sort((a, b) => a - b), Array.from({ length: 20 }, (_, number) => number))
      await Promise.all([...workers, boss].map((peer) => peer.end()))
    },

    async aSmallReceiveMaximumSlowsAndLosesNothing() {
      const slow = await Peer.connect('slow', { properties: { receiveMaximum: 3 } })
      await slow.subscribe(`${run}/slow`, 2)
      const numbers = Array.from({ length: 100 }, (_, number) => String(number))
      const published = numbers.map((number) => slow.publish(`${run}/slow`, number, { qos: 2 }))
      for (const number of numbers) equal((await slow.receive()).text, number)
      await Promise.all(published)
      await slow.end()
    }
  }

  for (const [name, holds] of Object.entries({ ...cases, ...(level === 5 && casesOf5) })) {
    try {
      await holds()
    } catch (error) {
      throw new Error(`${name}: ${error.message}`, { cause: error })
    }
    tell(name)
  }
}

// What is given to `start`'s resolve, if it comes in time.
function within(what, start) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`${what} has not come`)), PATIENCE_MS)
    start((value) => { clearTimeout(timer); resolve(value) }, (error) => { clearTimeout(timer); reject(error) })
  })
}

function equal(found, wanted, what = '') {
  const [seen, expected] = [JSON.stringify(found), JSON.stringify(wanted)]
  if (seen !== expected) throw new Error(`${what} ${seen} is not ${expected}`)
}
