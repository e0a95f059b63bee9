import { addHead, classification, evaluate, fineTune, loadPretrained, untrainedBase, runtime } from 'transferkit';
import { examples } from 'transferkit/data';
import { mobilenetV2, mobilenetV2Config } from 'transferkit/backbones/mobilenet-v2';
import { drawnExamples, newShapes, pretrainingShapes } from './examples/support/drawn-photos.js';
const N=Number(process.env.N??80), E=Number(process.env.E??6), S=Number(process.env.S??64), LR=Number(process.env.LR??0.003);
const block = (expanded:number, channels:number, stride:number)=>({expanded,channels,stride});
const mult=Number(process.env.W??1);
const config={...mobilenetV2Config({width:0.25,imageSize:S}), momentum:0.9, stemChannels:16, stemOutput:8,
 blocks:[block(32,16,2),block(64,16,1),block(64,32,2),block(128,32,1),block(128,48,2)], stages:[1,2,2,1], topChannels:160*mult};
const input={kind:'image' as const, resize:{mode:'stretch',height:S,width:S,interpolation:'bilinear',antialias:true}, crop:null, scale:1/127.5, mean:[1,1,1], std:[1,1,1], channelOrder:'rgb'};
const mk=()=>untrainedBase(mobilenetV2,{config:config as never,input:input as never});
let t=Date.now(); const lap=(w:string)=>{console.log(w,((Date.now()-t)/1000).toFixed(1));t=Date.now();};
const base=await mk(); console.log(runtime.describe());
const data=examples(drawnExamples(pretrainingShapes,N,1) as never) as any;
lap('drawn '+data.length);
const m=addHead(base,classification(data.labels));
const {history,plan}=await fineTune(m as any,data,{unfreeze:'all',normalization:'batch',headEpochs:0,epochs:E,batchSize:Number(process.env.B??32),learningRate:LR,validation:0,progress:false});
for(const e of history.epochs)console.log(e.epoch,e.loss.toFixed(3),e.accuracy?.toFixed(3),e.seconds.toFixed(1));
lap('pretrained'); console.log('seen', (await evaluate(m as any, (data as any).shuffle().take(200))).metrics.accuracy);const un=examples(drawnExamples(pretrainingShapes,15,777777) as never) as any;console.log('unseen pics', (await evaluate(m as any, un)).metrics.accuracy);
const tr=examples(drawnExamples(newShapes,Number(process.env.M??30),900001) as never) as any, te=examples(drawnExamples(newShapes,50,500001) as never) as any;
lap('drawn');
for(const [w,b] of [['pre',base],['random',await mk()]] as const){
 const mm=addHead(b as any,classification(tr.labels)); await fineTune(mm as any,tr,{progress:false, unfreeze:'none'});
 const r=await evaluate(mm as any,te); console.log(w,r.metrics.accuracy); lap(w);
}
